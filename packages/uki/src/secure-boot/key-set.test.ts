import { createPrivateKey, X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { readAuthenticatedVariable } from "./authenticated-variable/reader.ts";
import { generateKeySet, generatePcrKey, type KeyFile, type KeySetRequest } from "./key-set.ts";
import { readSignatureLists } from "./signature-list/reader.ts";
import { certificateList, digestList } from "./signature-list/writer.ts";

const owner = "11111111-2222-3333-4444-123456789abc";
const request: KeySetRequest = {
  algorithm: "p256",
  names: { PK: "Test PK", KEK: "Test KEK, with a comma", db: "Test db = ü" },
  notBefore: new Date("2026-01-02T03:04:05Z"),
  notAfter: new Date("2051-01-01T00:00:00Z"),
  owner,
  randomBytes: (sizeBytes) => Buffer.alloc(sizeBytes, 0xff),
};

const contentOf = (files: readonly KeyFile[], name: string) => {
  const file = files.find((found) => found.name === name);
  if (!file) throw new Error(`expected ${name}`);
  return file.content;
};

describe("generateKeySet", () => {
  it("makes keys, certificates and variables that belong together", async () => {
    const { files, variables } = await generateKeySet(request);
    expect(files.map(({ name, mode }) => `${name} ${mode.toString(8)}`)).toEqual([
      ...["PK", "KEK", "db"].flatMap((name) => [`${name}.key 600`, `${name}.crt 644`, `${name}.cer 644`]),
      ...["PK", "KEK", "db"].flatMap((name) => [`${name}.esl 644`, `${name}.auth 644`]),
    ]);
    for (const name of ["PK", "KEK", "db"] as const) {
      const certificate = new X509Certificate(contentOf(files, `${name}.crt`));
      expect(certificate.raw.equals(contentOf(files, `${name}.cer`))).toBe(true);
      expect(certificate.checkPrivateKey(createPrivateKey(contentOf(files, `${name}.key`)))).toBe(true);
      expect(certificate.verify(certificate.publicKey)).toBe(true);
      expect(certificate.subject).toBe(`CN=${request.names[name].replace(",", "\\,")}`);
      expect(certificate.serialNumber).toBe(`7F${"FF".repeat(15)}`);
      expect([certificate.validFromDate, certificate.validToDate]).toEqual([request.notBefore, request.notAfter]);
      expect([certificate.ca, certificate.keyUsage]).toEqual([
        false,
        name === "db" ? ["1.3.6.1.5.5.7.3.3"] : undefined,
      ]);
      expect(readSignatureLists(variables[name])).toEqual([certificateList({ owner, der: certificate.raw })]);
      const auth = readAuthenticatedVariable(contentOf(files, `${name}.auth`));
      expect(auth).toMatchObject({ timestamp: request.notBefore, data: variables[name] });
      expect(contentOf(files, `${name}.esl`).equals(variables[name])).toBe(true);
    }
    expect(variables.dbx).toBeUndefined();
  });

  it("enrols what is given beside its own, and dbx where it has content", async () => {
    const theirs = certificateList({ owner, der: Buffer.from("theirs") });
    const revoked = digestList({ owner, sha256: [Buffer.alloc(32, 1)] });
    const { files, variables } = await generateKeySet({ ...request, more: { db: [theirs], dbx: [revoked] } });
    expect(readSignatureLists(variables.db).slice(1)).toEqual([theirs]);
    expect(readSignatureLists(variables.KEK)).toHaveLength(1);
    expect(readSignatureLists(contentOf(files, "dbx.esl"))).toEqual([revoked]);
    expect(readAuthenticatedVariable(contentOf(files, "dbx.auth")).data.equals(contentOf(files, "dbx.esl"))).toBe(true);
  });

  it("makes keys of every kind", async () => {
    for (const [algorithm, name] of [
      ["rsa2048", "rsa"],
      ["p384", "ec"],
    ] as const) {
      const { files } = await generateKeySet({ ...request, algorithm });
      expect(createPrivateKey(contentOf(files, "db.key")).asymmetricKeyType).toBe(name);
    }
  });

  it.each<[string, Partial<KeySetRequest>, string]>([
    ["an algorithm", { algorithm: "dsa" as "p256" }, 'cannot make keys "dsa": expected one of rsa2048, rsa3072'],
    ["an empty name", { names: { ...request.names, KEK: "" } }, 'cannot make key "KEK": expected a name of 1..64'],
    ["a name that is too long", { names: { ...request.names, PK: "x".repeat(65) } }, "got 65"],
    ["an owner", { owner: "me" }, 'cannot make keys of owner "me": expected a GUID in lower case, got none'],
    ["a validity", { notAfter: request.notBefore }, "expected a time after 2026-01-02T03:04:05.000Z"],
    ["a year of four digits", { notAfter: new Date("+010000-01-01T00:00:00Z") }, "in the year 9999 at the latest"],
    ["an end", { notAfter: new Date(Number.NaN) }, "cannot make keys valid until a time beyond all"],
  ])("refuses %s that is none", async (_, change, message) => {
    await expect(generateKeySet({ ...request, ...change })).rejects.toMatchObject({
      code: "secure-boot",
      message: expect.stringContaining(message) as string,
    });
  });
});

describe("generatePcrKey", () => {
  it("makes a pair under the names that systemd's tools look for", async () => {
    const [privateKey, publicKey] = await generatePcrKey();
    expect(privateKey).toMatchObject({ name: "tpm2-pcr-private-key.pem", mode: 0o600 });
    expect(publicKey).toMatchObject({ name: "tpm2-pcr-public-key.pem", mode: 0o644 });
    expect(createPrivateKey(privateKey?.content ?? "").asymmetricKeyDetails?.modulusLength).toBe(2048);
    expect(publicKey?.content.toString()).toMatch(/^-----BEGIN PUBLIC KEY-----\n/);
  });
});
