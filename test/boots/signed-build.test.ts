import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildReport, Proof, UkiInspection, VerifyImageReport } from "@cvm-build/image";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuild, cvmBuildJson, REPOSITORY } from "../support/cli.ts";
import { requirePeers } from "../support/peers.ts";

const OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd";
const PROFILE = "[Output]\nImageId=signed\n[Content]\nUnifiedKernelImageProfiles=rescue.conf\n";
const ADDON = "[Output]\nFormat=addon\n[Content]\nKernelCommandLine=from.addon=%i\n";
const RESCUE = "[UKIProfile]\nProfile=\n  ID=rescue\n  TITLE=Rescue\nCmdline=systemd.unit=rescue.target\n";

/** From no key to a proof with Secure Boot on, as a user goes. */
describe.skipIf(!requirePeers("qemu-system-x86_64", "swtpm", "sbverify", "sbsign"))("a signed build", () => {
  const scratch = mkdtempSync(join(tmpdir(), "cvm-signed-"));
  const key = (name: string) => join(scratch, "keys", name);
  const image = join(scratch, "build/signed/signed.efi");
  const output = [`Output.OutputDirectory=${join(scratch, "build")}`];
  const secureBoot = [
    "Validation.SecureBoot=yes",
    `Validation.SecureBootKey=${key("db.key")}`,
    `Validation.SecureBootCertificate=${key("db.crt")}`,
  ];
  const settings = [
    ...secureBoot,
    "Validation.SignExpectedPcr=yes",
    `Validation.SignExpectedPcrKey=${key("tpm2-pcr-private-key.pem")}`,
    `Measure.SecureBootVariables=${key("OVMF_VARS.fd")}`,
    `UKI.Companions=${["token.cred", "good/good.addon.efi", "bad/bad.addon.efi"].map((name) => join(scratch, "build", name)).join(" ")}`,
    ...output,
  ];
  const profiles = ["minimal", "signed"];
  const build = (names: readonly string[], assignments: readonly string[], ...more: string[]) =>
    cvmBuildJson<BuildReport>([
      ...["build", "-C", scratch, ...more],
      ...names.flatMap((name) => ["--profile", name]),
      ...assignments.flatMap((assignment) => ["--set", assignment]),
    ]);
  let built: BuildReport;

  beforeAll(async () => {
    for (const name of ["base", "minimal"]) {
      execFileSync("cp", ["-r", join(REPOSITORY, "profiles", name), join(scratch, "profiles", name)], {
        cwd: makeFolder(join(scratch, "profiles")),
      });
    }
    const own = makeFolder(join(scratch, "profiles/signed"));
    writeFileSync(join(own, "cvm.conf"), PROFILE);
    writeFileSync(join(own, "rescue.conf"), RESCUE);
    writeFileSync(join(makeFolder(join(scratch, "build")), "token.cred"), "a credential");
    writeFileSync(join(makeFolder(join(scratch, "profiles/addon")), "cvm.conf"), ADDON);
    await cvmBuildJson(["keys", join(scratch, "keys"), "--name", "Test", "--variable-store", OVMF_VARS]);
    await build(["addon"], ["Output.ImageId=good", ...secureBoot, ...output]);
    await build(["addon"], ["Output.ImageId=bad", ...output]);
    built = await build(profiles, settings);
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it("is the same again, byte for byte", async () => {
    const before = readFileSync(image);
    const again = await build(profiles, settings, "--force");
    expect(again.upToDate).toBe(false);
    expect(readFileSync(image).equals(before)).toBe(true);
  });

  it("says who signed, and nothing of a private key or where it is", () => {
    const { signatures } = built.manifest;
    expect(signatures.map(({ of }) => of)).toEqual(["image", "pcr-policy"]);
    expect(signatures[0]?.certificate?.subject).toBe("CN=Test db");
    expect(JSON.stringify(built)).not.toContain(".key");
  });

  it("has policies of its own for each way to boot it", async () => {
    const { profiles: found, signatures } = await cvmBuildJson<UkiInspection>(["inspect", image]);
    expect(signatures?.map(({ subject, problem }) => [subject, problem])).toEqual([["CN=Test db", undefined]]);
    const policies = found?.map(({ sections }) => sections.find(({ name }) => name === ".pcrsig")?.sha256);
    expect(policies).toHaveLength(2);
    expect(new Set(policies).size).toBe(2);
    expect(policies).not.toContain(undefined);
  });

  it("boots where only it may, and measures what was predicted, PCR 7 and what is beside it included", async () => {
    const proof = await cvmBuildJson<Proof>(["prove", join(scratch, "build/signed"), "--timeout", "240"]);
    expect(proof.agrees).toBe(true);
    const logged = Object.fromEntries(proof.registers.map(({ register, events }) => [register, events.length]));
    // Action, separator, UKI and the signed add-on: the stub vouches for the kernel, and nobody for the other add-on.
    // Variables, separator and one authority for both. The add-on's command line, and the credential.
    expect(logged).toMatchObject({ pcr4: 4, pcr7: 7, pcr9: 2, pcr12: 2, pcr13: 0 });
    const [platform] = built.measurements.platforms;
    expect(platform?.refused.map(({ path }) => path)).toEqual(["/EFI/BOOT/BOOTX64.EFI.extra.d/bad.addon.efi"]);
    expect(platform?.events.filter(({ register }) => register === "pcr12")[0]?.label).toBe("from.addon=good");
    expect(proof.machine.firmware.path).toMatch(/secboot/);
  });

  it("is verified by sbverify, and verifies what sbsign signed", async () => {
    execFileSync("sbverify", ["--cert", key("db.crt"), image]);
    const theirs = join(scratch, "theirs.efi");
    execFileSync("sbsign", ["--key", key("KEK.key"), "--cert", key("KEK.crt"), "--output", theirs, image], {
      stdio: "ignore",
    });
    const report = await cvmBuildJson<VerifyImageReport>(["verify", theirs, "--cert", key("KEK.crt")]);
    expect(report.signatures.map(({ isTrusted }) => isTrusted)).toEqual([false, true]);
    const { exitCode, stdout } = await cvmBuild(["verify", theirs, "--cert", key("PK.crt"), "--no-color"]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain("not verified: no signature is trusted");
  });

  it("is not predicted to boot where another key signed it", async () => {
    const other = join(scratch, "other.efi");
    const plain = join(scratch, "plain.efi");
    execFileSync("sbattach", ["--remove", execCopy(image, plain)]);
    await cvmBuildJson(["sign", plain, "--key", key("KEK.key"), "--cert", key("KEK.crt"), "--output", other]);
    const { exitCode, stderr } = await cvmBuild(["measure", other, "--variable-store", key("OVMF_VARS.fd")]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/cannot predict a boot of ".*": expected an image that the firmware starts, got /);
  });
});

function makeFolder(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}

function execCopy(from: string, to: string): string {
  execFileSync("cp", [from, to]);
  return to;
}
