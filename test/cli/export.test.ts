import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canonicalJson } from "@cvm-build/bytes";
import { EXPORT_FORMATS } from "@cvm-build/image";
import { afterAll, describe, expect, it } from "vitest";
import {
  makeMeasurements,
  snpPlatform,
  tdxPlatform,
  tpmPlatform,
} from "../../packages/image/src/exports/measurements.fixture.ts";
import { cvmBuild, cvmBuildJson } from "../support/cli.ts";
import { requirePeers } from "../support/peers.ts";

const scratch = mkdtempSync(join(tmpdir(), "cvm-export-"));
const MEASUREMENTS = makeMeasurements(tpmPlatform("aws-nitrotpm"), tdxPlatform("gcp-tdx"), snpPlatform("qemu-snp"));
const DOCUMENT = join(scratch, "measurements.json");
writeFileSync(DOCUMENT, canonicalJson(MEASUREMENTS));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Exported {
  files: { format: string; fileName: string; path?: string; base64?: string }[];
  pinned: { format: string; platform: string; registers: string[] }[];
  left: { format: string; platform: string; register?: string; reason: string }[];
}

describe("cvm-build measure --format", () => {
  const formats = Object.keys(EXPORT_FORMATS).flatMap((format) => ["--format", format]);

  it("writes every format of what a build measured, and says what is compared", async () => {
    const output = join(scratch, "values");
    const key = join(scratch, "id.pem");
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
    writeFileSync(key, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
    const flags = [...formats, "--output-dir", output, "--key", key, "--author-key", key];
    const report = await cvmBuildJson<Exported>(["measure", scratch, ...flags]);
    expect(readdirSync(output).sort()).toEqual(report.files.map(({ fileName }) => fileName).sort());
    expect(new Set(report.files.map(({ format }) => format))).toEqual(new Set(Object.keys(EXPORT_FORMATS)));
    expect(readFileSync(join(output, "measurements.json"), "utf8")).toBe(readFileSync(DOCUMENT, "utf8"));
    expect(report.pinned).toContainEqual({ format: "aws-kms", platform: "aws-nitrotpm", registers: ["pcr4", "pcr12"] });
    expect(report.left).toContainEqual({
      format: "aws-kms",
      platform: "gcp-tdx",
      reason: "aws-kms is for: TPM on AWS",
    });
  });

  it("prints one file as it is", async () => {
    const { stdout, exitCode } = await cvmBuild([
      "measure",
      DOCUMENT,
      "--format",
      "azure-maa",
      "--platform",
      "qemu-snp",
    ]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^version=1\.2;\n[^]*=> permit\(\);\n\};\nissuancerules\n\{\n\};\n$/);
  });

  it("takes what formats hold beside registers", async () => {
    const flags = ["--tdx", "xfam=e702060000000000", "--producer", "Example", "--producer-uri", "https://example.com"];
    const { files } = await cvmBuildJson<Exported>([
      ...["measure", DOCUMENT, "--format", "go-tdx-guest", "--format", "scai", "--float", "rtmr0,rtmr3"],
      ...flags,
    ]);
    const text = (index: number) => Buffer.from(files[index]?.base64 ?? "", "base64").toString();
    expect(text(0)).toContain(String.raw`xfam: "\xe7\x02\x06`);
    expect(text(0).match(/rtmrs: ""/g)).toHaveLength(2);
    expect(JSON.parse(text(1))).toMatchObject({ predicate: { producer: { uri: "https://example.com" } } });
  });

  it.each([
    [["--format", "corrim"], 2, "corrim"],
    [["--format", "scai", "--tdx", "xfan=00"], 2, 'cannot read flag "--tdx": expected FIELD=HEX with one of'],
    [["--format", "corim", "--valid-until", "tomorrow"], 2, 'cannot read flag "--valid-until": expected a time'],
    [["--format", "scai", "--phases", "enter-initrd"], 2, "anew: expected an image, got what its build measured"],
    [["--format", "corim", "--pin", "pcr99"], 1, 'cannot export register "pcr99"'],
    [["--format", "attested-tls", "--pin", "rtmr1,rtmr2"], 1, "expected MRTD beside RTMRs"],
  ])("refuses %j and writes nothing", async (flags, code, message) => {
    const output = join(scratch, "none");
    const { exitCode, stderr } = await cvmBuild(["measure", DOCUMENT, ...flags, "--output-dir", output]);
    expect(stderr).toContain(message);
    expect(exitCode).toBe(code);
    expect(existsSync(output)).toBe(false);
  });
});

describe.skipIf(!requirePeers("openssl"))("openssl", () => {
  it("verifies the signature of a statement", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    const path = (name: string) => join(scratch, name);
    writeFileSync(path("key.pem"), privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
    writeFileSync(path("public.pem"), publicKey.export({ type: "spki", format: "pem" }));
    const args = ["measure", DOCUMENT, "--format", "scai", "--key", path("key.pem"), "--output-dir", scratch];
    await cvmBuildJson<Exported>(args);
    const envelope = JSON.parse(readFileSync(path("node.scai.dsse.json"), "utf8")) as {
      payloadType: string;
      payload: string;
      signatures: [{ sig: string }];
    };
    const payload = Buffer.from(envelope.payload, "base64");
    const type = "application/vnd.in-toto+json";
    expect(envelope.payloadType).toBe(type);
    writeFileSync(path("signed"), Buffer.concat([Buffer.from(`DSSEv1 28 ${type} ${payload.length} `), payload]));
    writeFileSync(path("signature"), Buffer.from(envelope.signatures[0].sig, "base64"));
    const verify = ["dgst", "-sha256", "-verify", path("public.pem"), "-signature", path("signature"), path("signed")];
    expect(execFileSync("openssl", verify, { encoding: "utf8" })).toContain("Verified OK");
    expect(JSON.parse(payload.toString())).toMatchObject({
      subject: [{ name: "node.efi", digest: { sha256: MEASUREMENTS.image.sha256 } }],
    });
  });
});
