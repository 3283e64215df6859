import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, openFileSource } from "@cvm-build/bytes";
import { assembleUki } from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeKernel } from "../../packages/uki/src/pe/pe.fixture.ts";
import { cvmBuild, cvmBuildJson } from "../support/cli.ts";
import { requirePeers } from "../support/peers.ts";
import { debianStub } from "../support/uki-parts.ts";

const MODULE = "/usr/lib/softhsm/libsofthsm2.so";
const PIN = "648219";
const stub = debianStub("trixie");

describe.runIf(stub && requirePeers("softhsm2-util", "openssl", "sbverify"))("cvm-build sign with a token", () => {
  const scratch = mkdtempSync(join(tmpdir(), "cvm-token-"));
  const at = (name: string) => join(scratch, name);
  const image = at("node.efi");
  const output = at("signed.efi");
  const environment = { SOFTHSM2_CONF: at("softhsm2.conf"), PKCS11_MODULE_PATH: MODULE };
  const softhsm = (...args: string[]) =>
    execFileSync("softhsm2-util", args, { cwd: scratch, env: { ...process.env, ...environment }, stdio: "ignore" });

  beforeAll(async () => {
    mkdirSync(at("tokens"));
    writeFileSync(environment.SOFTHSM2_CONF, `directories.tokendir = ${at("tokens")}\nobjectstore.backend = file\n`);
    await cvmBuildJson(["keys", at("keys")]);
    execFileSync("openssl", [..."genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out".split(" "), at("p521")], {
      stdio: "ignore",
    });
    softhsm("--init-token", "--free", "--label", "release", "--so-pin", "12345678", "--pin", PIN);
    const token = ["--token", "release", "--pin", PIN];
    softhsm("--import", "keys/db.key", ...token, "--label", "db", "--id", "01");
    softhsm("--import", "p521", ...token, "--label", "p521", "--id", "02");
    writeFileSync(at("pin"), `${PIN}\n`, { mode: 0o600 });
    writeFileSync(at("wrong"), "000000\n", { mode: 0o600 });
    assembleUki({
      stub: openFileSource(stub ?? ""),
      sections: [{ name: ".linux", content: [bytesSource(makeKernel("6.12"))] }],
      output: image,
    });
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  const sign = (key: string, pinFile: string) =>
    cvmBuild(
      [
        ...["sign", image, "--key", key, "--cert", at("keys/db.crt"), "--output", output],
        ...["--passphrase-file", at(pinFile)],
      ],
      { environment },
    );

  it.each([
    ["a wrong PIN", "pkcs11:token=release;object=db", "wrong", /PIN/],
    ["an absent token", "pkcs11:token=other;object=db", "pin", /token/],
    ["a key of a kind that firmware does not know", "pkcs11:token=release;object=p521", "pin", /P-256, P-384/],
    ["an absent key", "pkcs11:token=release;object=nobody", "pin", /expected one, got none of that name/],
  ])("says what is wrong with %s, and writes nothing", async (_, key, pinFile, message) => {
    const { exitCode, stdout, stderr } = await sign(key, pinFile);
    expect(stderr).toMatch(message);
    expect(exitCode).toBe(1);
    expect(stdout + stderr).not.toContain(PIN);
    expect(existsSync(output)).toBe(false);
  });

  it("signs a UKI that sbverify verifies", async () => {
    const { exitCode, stderr } = await sign("pkcs11:token=release;object=db", "pin");
    expect(`${exitCode} ${stderr.replace(/.*\r/g, "").trim()}`).toBe("0 ");
    execFileSync("sbverify", ["--cert", at("keys/db.crt"), output]);
    await cvmBuildJson(["verify", output, "--cert", at("keys/db.crt")]);
  });
});
