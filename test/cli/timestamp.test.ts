import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VerifyImageReport } from "@cvm-build/image";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuild, cvmBuildJson } from "../support/cli.ts";
import { requirePeers } from "../support/peers.ts";

const SAMPLE = join(import.meta.dirname, "../../../shared/vectors/authenticode/HelloWorld.efi");
const CONFIG = `
[req]
distinguished_name = dn
[dn]
[tsa_ext]
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = main
[main]
serial = serial
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
ess_cert_id_alg = sha256
`;

/** An authority of OpenSSL's behind a real HTTP server, which ends with the test. */
describe.skipIf(!requirePeers("openssl") || !existsSync(SAMPLE))("sign --timestamp", () => {
  const scratch = mkdtempSync(join(tmpdir(), "cvm-timestamp-"));
  const at = (name: string) => join(scratch, name);
  const openssl = (line: string) => execFileSync("openssl", line.split(" "), { cwd: scratch, stdio: "ignore" });
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (request.url !== "/tsa") return void response.writeHead(503).end();
      expect(request.headers["content-type"]).toBe("application/timestamp-query");
      writeFileSync(at("query"), Buffer.concat(chunks));
      openssl("ts -reply -config tsa.conf -queryfile query -signer tsa.crt -inkey tsa.key -out reply");
      response.writeHead(200, { "content-type": "application/timestamp-reply" }).end(readFileSync(at("reply")));
    });
  });
  let address: string;

  beforeAll(async () => {
    writeFileSync(at("tsa.conf"), CONFIG);
    writeFileSync(at("serial"), "01\n");
    const request = "req -x509 -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.crt -subj /CN=TSA -days 30";
    openssl(`${request} -config tsa.conf -extensions tsa_ext`);
    await cvmBuildJson(["keys", at("keys")]);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  const sign = (path: string, output: string) => [
    ...["sign", SAMPLE, "--key", at("keys/db.key"), "--cert", at("keys/db.crt")],
    ...["--output", output, "--timestamp", `${address}${path}`],
  ];

  it("has an authority say when, which verify tells from one that nobody vouches for", async () => {
    await cvmBuildJson(sign("/tsa", at("out.efi")));
    const verify = ["verify", at("out.efi"), "--cert", at("keys/db.crt")];
    const [known, unknown] = await Promise.all([
      cvmBuildJson<VerifyImageReport>([...verify, "--timestamp-cert", at("tsa.crt")]),
      cvmBuildJson<VerifyImageReport>(verify),
    ]);
    expect(known.signatures[0]?.timestamp).toMatchObject({ isTrusted: true });
    expect(unknown.signatures[0]?.timestamp).toMatchObject({ isTrusted: false });
    expect(known.signatures[0]?.timestamp?.time).toMatch(/^\d{4}-\d\d-\d\dT/);
  });

  it("repeats no password of an address", async () => {
    const { exitCode, stdout, stderr } = await cvmBuild([
      ...["sign", SAMPLE, "--key", at("keys/db.key"), "--cert", at("keys/db.crt"), "--output", at("none.efi")],
      ...["--timestamp", "http://user:zebra@127.0.0.1/tsa"],
    ]);
    expect(stderr).toContain("expected an address without a password");
    expect(stdout + stderr).not.toContain("zebra");
    expect(exitCode).not.toBe(0);
  });

  it("writes nothing where the authority does not answer", async () => {
    const { exitCode, stderr } = await cvmBuild(sign("/elsewhere", at("none.efi")));
    expect(stderr).toContain("expected a time stamp, got HTTP status 503");
    expect(exitCode).not.toBe(0);
    expect(existsSync(at("none.efi"))).toBe(false);
  });
});
