import { execFileSync } from "node:child_process";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildReport, ReleaseReport, ReleaseVerification } from "@cvm-build/image";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KNOWN_LICENSES } from "../../packages/image/src/release/license/license-names.ts";
import { cvmBuild, cvmBuildJson, REPOSITORY } from "../support/cli.ts";
import { requirePeers } from "../support/peers.ts";
import { debianRoot } from "../support/trixie-root.ts";

const cosignRoot = debianRoot("trixie", ["cosign"]);
const sbomRoot = debianRoot("trixie", ["python3-cyclonedx-lib", "python3-jsonschema", "python3-rfc3987"]);
const scratch = mkdtempSync(join(tmpdir(), "cvm-release-"));
const PASSPHRASE = "correct horse";

const KEYS = {
  rsa: () => generateKeyPairSync("rsa", { modulusLength: 3072 }),
  p256: () => generateKeyPairSync("ec", { namedCurve: "prime256v1" }),
  p384: () => generateKeyPairSync("ec", { namedCurve: "secp384r1" }),
  ed25519: () => generateKeyPairSync("ed25519"),
} satisfies Record<string, () => { privateKey: KeyObject; publicKey: KeyObject }>;
const KINDS = Object.keys(KEYS) as (keyof typeof KEYS)[];

/** Releases of the minimal image, read by those who will: sha256sum, minisign, cosign, CycloneDX's and SPDX's own tools. */
describe("a release of a real image", () => {
  let image: string;

  beforeAll(async () => {
    const output = ["--set", `Output.OutputDirectory=${scratch}`];
    image = (await cvmBuildJson<BuildReport>(["build", "--profile", "minimal", ...output])).directory;
    writeFileSync(join(scratch, "passphrase"), `${PASSPHRASE}\n`, { mode: 0o600 });
    for (const kind of KINDS) {
      const { privateKey, publicKey } = KEYS[kind]();
      writeFileSync(keyPath(kind), privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
      writeFileSync(publicKeyPath(kind), publicKey.export({ type: "spki", format: "pem" }));
      await cvmBuildJson<ReleaseReport>(["release", image, "--key", keyPath(kind), "--output", releasePath(kind)]);
    }
  });

  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  const keyPath = (kind: string) => join(scratch, `${kind}.key`);
  const publicKeyPath = (kind: string) => join(scratch, `${kind}.pem`);
  const releasePath = (kind: string) => join(scratch, `release-${kind}`);
  const copyOf = (kind: string, name: string) => {
    const copy = join(scratch, name);
    cpSync(releasePath(kind), copy, { recursive: true, dereference: true });
    return copy;
  };

  it("verifies with the builder's key and no other", async () => {
    const verify = (release: string, key: string) =>
      cvmBuild(["verify-release", releasePath(release), "--key", publicKeyPath(key), "--json"]);
    const good = await verify("rsa", "rsa");
    expect(JSON.parse(good.stdout)).toMatchObject({ verified: true, image: { id: "minimal", version: "1" } });
    expect(good.exitCode).toBe(0);
    const bad = await verify("rsa", "p256");
    expect(JSON.parse(bad.stdout)).toMatchObject({ verified: false });
    expect(bad.exitCode).toBe(1);
  });

  it("sha256sum finds every file as it was signed", () => {
    const checked = execFileSync("sha256sum", ["--check", "--strict", "SHA256SUMS"], {
      cwd: releasePath("rsa"),
      encoding: "utf8",
    });
    const unlisted = ["SHA256SUMS", "SHA256SUMS.sig", "minimal.provenance.json"];
    const listed = readdirSync(releasePath("rsa")).filter((name) => !unlisted.includes(name));
    expect(checked.trim().split("\n").sort()).toEqual(listed.map((name) => `${name}: OK`).sort());
  });

  describe.skipIf(!requirePeers("minisign"))("with minisign", () => {
    const minisign = (args: string[], input = "") =>
      execFileSync("minisign", args, { cwd: scratch, encoding: "utf8", input, stdio: "pipe" });
    const release = (name: string, args: string[]) =>
      cvmBuildJson<ReleaseReport>([
        "release",
        image,
        "--key",
        keyPath("rsa"),
        "--output",
        join(scratch, name),
        ...args,
      ]);

    it("a key that minisign made and encrypted signs what minisign verifies", async () => {
      minisign(["-G", "-p", "mine.pub", "-s", "mine.key"], `${PASSPHRASE}\n${PASSPHRASE}\n`);
      const passphrase = ["--minisign-passphrase-file", join(scratch, "passphrase")];
      await release("minisigned", ["--minisign-key", join(scratch, "mine.key"), ...passphrase]);
      const said = minisign(["-V", "-p", "mine.pub", "-m", "minisigned/SHA256SUMS"]);
      expect(said).toContain("Trusted comment: minimal 1\tfile:SHA256SUMS");
      expect(readFileSync(join(scratch, "minisigned/minisign.pub"), "utf8").split("\n")[1]).toBe(
        readFileSync(join(scratch, "mine.pub"), "utf8").split("\n")[1],
      );
    });

    it("any Ed25519 key does, with the public key that is in the release", async () => {
      await release("minisigned-anyhow", ["--minisign-key", keyPath("ed25519")]);
      minisign(["-V", "-p", "minisigned-anyhow/minisign.pub", "-m", "minisigned-anyhow/SHA256SUMS"]);
    });

    it("a release that minisign signed instead verifies", async () => {
      minisign(["-S", "-s", "mine.key", "-m", "minisigned/SHA256SUMS", "-t", "by minisign"], `${PASSPHRASE}\n`);
      const directory = join(scratch, "minisigned");
      const keys = ["--key", publicKeyPath("rsa"), "--minisign-key", join(scratch, "mine.pub")];
      const { verified, checks } = await cvmBuildJson<ReleaseVerification>(["verify-release", directory, ...keys]);
      expect(verified).toBe(true);
      expect(checks[1]?.detail).toContain("by minisign");
    });
  });

  describe.skipIf(!cosignRoot)("with cosign of trixie", () => {
    const cosign = (args: string[]) => cosignRoot!.run("usr/bin/cosign", args);
    const common = (kind: string) => ["--key", publicKeyPath(kind), "--insecure-ignore-tlog"];
    const verifyBlob = (kind: string, directory: string) =>
      cosign([
        "verify-blob",
        ...common(kind),
        ...["--signature", join(directory, "SHA256SUMS.sig"), join(directory, "SHA256SUMS")],
      ]);
    const verifyAttestation = (kind: string, directory: string, file: string) =>
      cosign([
        ...["verify-blob-attestation", ...common(kind), "--type", "slsaprovenance1"],
        ...["--signature", join(directory, "minimal.provenance.json"), join(directory, file)],
      ]);

    it.each(KINDS)("the checksums and the provenance verify, signed with %s", (kind) => {
      verifyBlob(kind, releasePath(kind));
      for (const file of ["minimal.efi", "cvm.lock", "minimal.spdx.json"])
        verifyAttestation(kind, releasePath(kind), file);
    });

    it("what was changed does not", () => {
      const copy = copyOf("rsa", "changed");
      for (const file of ["SHA256SUMS", "minimal.efi"]) {
        const bytes = readFileSync(join(copy, file));
        bytes[100]! ^= 1;
        writeFileSync(join(copy, file), bytes);
      }
      expect(() => verifyBlob("rsa", copy)).toThrow(/verification error/);
      expect(() => verifyAttestation("rsa", copy, "minimal.efi")).toThrow(/no matching subject digest/);
      expect(() => verifyAttestation("p256", copy, "cvm.lock")).toThrow();
    });
  });

  it.skipIf(!sbomRoot)(
    "SPDX's schema and CycloneDX's own library read the SBOMs, and say the same of every input",
    () => {
      const read = JSON.parse(
        sbomRoot!.run("usr/bin/python3", [
          join(REPOSITORY, "test/image/release-peers.py"),
          join(REPOSITORY, "test/image/spdx-2.3/spdx-schema.json"),
          ...["minimal.spdx.json", "minimal.cdx.json"].map((name) => join(releasePath("rsa"), name)),
          ...KNOWN_LICENSES,
        ]),
      ) as Record<string, string[]> & { components: string[][]; unknownLicenses: string[] };
      const { packages } = JSON.parse(readFileSync(join(image, "cvm.lock"), "utf8")) as {
        packages: { name: string; version: string; architecture: string; sha256: string }[];
      };
      expect(read).toMatchObject({ spdxErrors: [], cycloneDxErrors: [], unknownNames: [], foreignSpelling: [] });
      expect(read.components).toEqual(
        packages
          .map(({ name, version, architecture, sha256 }) => [name, version, sha256, name, version, architecture])
          .sort(),
      );
      expect(read.unknownLicenses.filter((key) => !key.startsWith("LicenseRef-Debian-"))).toEqual([]);
    },
  );

  it("says of a package what its copyright file says, though the image has no documentation", () => {
    const { packages } = JSON.parse(readFileSync(join(releasePath("rsa"), "minimal.spdx.json"), "utf8")) as {
      packages: { name: string; licenseDeclared: string }[];
    };
    const declared = new Map(packages.map(({ name, licenseDeclared }) => [name, licenseDeclared]));
    expect(declared.get("zlib1g")).toBe("Zlib");
    expect(declared.get("busybox")).toBe("NOASSERTION");
  });

  it("has the same bytes from another place, another store and another time zone", async () => {
    const again = join(scratch, "again");
    const environment = { TZ: "Asia/Kathmandu", LC_ALL: "C" };
    const args = ["release", image, "--key", keyPath("p384"), "--output", again];
    await cvmBuildJson(args, { environment, umask: "077", store: join(scratch, "store"), cwd: scratch });
    for (const name of readdirSync(again))
      expect(readFileSync(join(again, name)).equals(readFileSync(join(releasePath("p384"), name))), name).toBe(true);
  });
});
