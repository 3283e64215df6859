import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuild, cvmBuildJson } from "../support/cli.ts";
import { requirePeers } from "../support/peers.ts";

const SAMPLE = join(import.meta.dirname, "../../../shared/vectors/authenticode/HelloWorld.efi");

/** What goes wrong when an image is to be signed leaves no image. */
describe.skipIf(!requirePeers("openssl") || !existsSync(SAMPLE))("cvm-build sign", () => {
  const scratch = mkdtempSync(join(tmpdir(), "cvm-sign-"));
  const output = join(scratch, "out.efi");
  const at = (name: string) => join(scratch, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: scratch, stdio: "ignore" });

  beforeAll(async () => {
    await cvmBuildJson(["keys", at("keys"), "--algorithm", "p256"]);
    openssl(..."genpkey -algorithm ed25519 -out ed25519.pem".split(" "));
    openssl(..."req -x509 -new -key ed25519.pem -subj /CN=ed25519 -out ed25519.crt".split(" "));
    openssl(..."pkey -in keys/db.key -aes256 -passout pass:secret -out locked.pem".split(" "));
    writeFileSync(at("right"), "secret\n", { mode: 0o600 });
    writeFileSync(at("wrong"), "other\n", { mode: 0o600 });
    writeFileSync(at("open.pem"), readFileSync(at("keys/db.key")));
    chmodSync(at("open.pem"), 0o644);
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  const sign = (key: string, cert: string, ...more: string[]) =>
    cvmBuild(["sign", SAMPLE, "--key", at(key), "--cert", at(cert), "--output", output, ...more]);

  it.each<[string, string, string, string[], RegExp]>([
    ["the key of another certificate", "keys/KEK.key", "keys/db.crt", [], /expected its certificate, got that of "CN=/],
    [
      "a key that others can read",
      "open.pem",
      "keys/db.crt",
      [],
      /expected permissions for its owner alone.*\n.*chmod 600/,
    ],
    ["a wrong passphrase", "locked.pem", "keys/db.crt", ["--passphrase-file", at("wrong")], /passphrase/],
    [
      "no passphrase and nobody to ask",
      "locked.pem",
      "keys/db.crt",
      [],
      /expected a file that holds it or somebody to ask/,
    ],
    [
      "a kind of key that firmware does not know",
      "ed25519.pem",
      "ed25519.crt",
      [],
      /expected a key .*P-256.*ed25519|RSA.*P-256/i,
    ],
    ["no key", "absent.pem", "keys/db.crt", [], /cannot read key ".*absent\.pem"/],
    ["no certificate", "keys/db.key", "keys/db.key", [], /cannot read certificate/],
  ])("refuses %s and writes nothing", async (_, key, cert, more, message) => {
    const { exitCode, stderr } = await sign(key, cert, ...more);
    expect(stderr).toMatch(message);
    expect(exitCode).toBe(1);
    expect(existsSync(output)).toBe(false);
  });

  it("signs with a key behind a passphrase, and says nothing of either", async () => {
    const { exitCode, stdout, stderr } = await sign(
      "locked.pem",
      "keys/db.crt",
      "--passphrase-file",
      at("right"),
      "--json",
    );
    expect(exitCode).toBe(0);
    expect(stdout + stderr).not.toMatch(/secret|locked/);
    await cvmBuildJson(["verify", output, "--cert", at("keys/db.crt")]);
  });

  it("signs apart, and the image stays as it is", async () => {
    const signature = at("hello.p7s");
    const before = readFileSync(SAMPLE);
    await cvmBuildJson([
      ...["sign", SAMPLE, "--key", at("keys/db.key"), "--cert", at("keys/db.crt")],
      ...["--detached", "--output", signature],
    ]);
    expect(readFileSync(SAMPLE).equals(before)).toBe(true);
    await cvmBuildJson(["verify", SAMPLE, "--cert", at("keys/db.crt"), "--detached", signature]);
  });

  it.each<[string, string, string[]]>([
    ["a folder", scratch, []],
    ["a folder, by a signature", scratch, ["--detached"]],
    ["a device", "/dev/null", []],
    ["the image, by a signature", at("copy.efi"), ["--detached"]],
  ])("does not replace %s", async (_, place, more) => {
    copyFileSync(SAMPLE, at("copy.efi"));
    const before = statSync(place);
    const { exitCode, stderr } = await cvmBuild([
      ...["sign", at("copy.efi"), "--key", at("keys/db.key"), "--cert", at("keys/db.crt"), "--output", place, ...more],
    ]);
    expect(stderr).toContain(`cannot write "${place}": expected`);
    expect(exitCode).toBe(1);
    expect([statSync(place).ino, statSync(place).size]).toEqual([before.ino, before.size]);
  });
});
