import { generateKeyPairSync, type KeyObject, type X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCertificates } from "./certificates.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

interface Issued {
  name: string;
  key: KeyObject;
  pem: string;
  der: Buffer;
}

async function issue(name: string, issuer?: Issued): Promise<Issued> {
  await import("reflect-metadata");
  const { X509CertificateGenerator } = await import("@peculiar/x509");
  const { privateKey: key, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signingKey = (issuer?.key ?? key).toCryptoKey(ALGORITHM, false, ["sign"]);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: "01",
    subject: `CN=${name}`,
    issuer: `CN=${issuer?.name ?? name}`,
    notBefore: new Date("2026-01-01"),
    notAfter: new Date("2036-01-01"),
    publicKey: publicKey.toCryptoKey(ALGORITHM, true, ["verify"]),
    signingKey,
    signingAlgorithm: ALGORITHM,
  });
  return { name, key, pem: certificate.toString("pem"), der: Buffer.from(certificate.rawData) };
}

describe("readCertificates", () => {
  let directory: string;
  let root: Issued;
  let middle: Issued;
  let leaf: Issued;
  let other: Issued;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "cvm-certificates-"));
    root = await issue("root");
    middle = await issue("middle", root);
    leaf = await issue("leaf", middle);
    other = await issue("other");
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  function read(content: string | Buffer): Promise<X509Certificate[]> {
    writeFileSync(join(directory, "certificates"), content);
    return readCertificates("certificates", { directory, environment: {} });
  }
  const names = (certificates: X509Certificate[]) => certificates.map(({ subject }) => subject.slice("CN=".length));

  it("reads DER", async () => {
    const [certificate] = await read(leaf.der);
    expect(certificate?.raw.equals(leaf.der)).toBe(true);
  });

  it("puts the leaf first, its issuers after it, and others last", async () => {
    const expected = ["leaf", "middle", "root"];
    expect(names(await read(`${leaf.pem}\n${middle.pem}\n${root.pem}`))).toEqual(expected);
    expect(names(await read(`text\n${root.pem}\n${leaf.pem}\n${middle.pem}\n`))).toEqual(expected);
    expect(names(await read(`${root.pem}\n${leaf.pem}\n${other.pem}\n${middle.pem}`))).toEqual([...expected, "other"]);
    expect(names(await read(`${other.pem}\n${root.pem}`))).toEqual(["other", "root"]);
  });

  it("passes over a key in the same file", async () => {
    const key = leaf.key.export({ format: "pem", type: "pkcs8" });
    expect(names(await read(`${key}${leaf.pem}`))).toEqual(["leaf"]);
  });

  it.each<[string, string | Buffer]>([
    ["nonsense", "nonsense"],
    ["nothing", ""],
    ["another block", "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----"],
    ["a damaged block", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"],
    ["a block without an end", "-----BEGIN CERTIFICATE-----\nMAA="],
    ["too many", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".repeat(257)],
  ])("refuses %s", async (_, content) => {
    await expect(read(content)).rejects.toMatchObject({
      code: "certificate",
      message: expect.stringMatching(/^cannot read certificate "certificates": expected /) as string,
    });
  });

  it("refuses a file that is not there", async () => {
    await expect(readCertificates("absent.pem", { directory, environment: {} })).rejects.toMatchObject({
      code: "certificate",
    });
  });
});
