import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ecKey, makeIdentity, memorySigner, rsaKey } from "./certificate.fixture.ts";
import { leaf, signedDataRequest } from "./signed-data.fixture.ts";
import { encodeSignedData, type SignedDataRequest } from "./writer.ts";

describe("encodeSignedData", () => {
  it("gives the same bytes each time with RSA", async () => {
    const bytes = await encodeSignedData(signedDataRequest());
    expect(await encodeSignedData(signedDataRequest())).toEqual(bytes);
    // The bytes that `openssl cms -verify` of OpenSSL 3.0 accepted when they were pinned.
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(
      "3065f42a5df911c81f177b6df8c40a45fc61615e6d9e653aa6869828fc4aea3a",
    );
  });

  it("leaves out the ContentInfo where it is not wanted, and else changes nothing", async () => {
    const wrapped = await encodeSignedData(signedDataRequest());
    const bare = await encodeSignedData(signedDataRequest({ wrapped: false }));
    expect(wrapped.subarray(-bare.length)).toEqual(bare);
    expect(bare.subarray(4, 7).toString("hex")).toBe("020101");
  });

  it("names the digest where firmware looks for it", async () => {
    const oid = Buffer.from("608648016503040201", "hex");
    // EDK2: HashPeImageByType in DxeImageVerificationLib, VerifyTimeBasedPayload in AuthVariableLib.
    expect((await encodeSignedData(signedDataRequest())).subarray(32, 41)).toEqual(oid);
    expect((await encodeSignedData(signedDataRequest({ wrapped: false }))).subarray(13, 22)).toEqual(oid);
  });

  it.each<[string, Partial<SignedDataRequest>, string]>([
    [
      "a certificate of another key",
      { signer: memorySigner(ecKey()) },
      'cannot sign with key P-256: expected its certificate, got that of "CN=leaf" with RSA-2048',
    ],
    ["no certificate", { certificates: [] }, "expected its certificate, got none"],
    ["a curve that firmware lacks", { signer: memorySigner(ecKey("P-521")) }, "P-256 or P-384, got secp521r1"],
    [
      "33 certificates",
      { certificates: Array.from({ length: 33 }, () => leaf.certificate) },
      "expected at most 32 certificates, got 33",
    ],
  ])("refuses %s before it signs", async (_, change, message) => {
    const { signer, ...rest } = signedDataRequest(change);
    const never = { ...signer, sign: () => Promise.reject(new Error("signed")) };
    await expect(encodeSignedData({ ...rest, signer: never })).rejects.toMatchObject({
      code: "certificate",
      message: expect.stringContaining(message),
    });
  });

  it("says which order certificates have where the own is not the first", async () => {
    const other = makeIdentity({ name: "other", privateKey: ecKey() });
    const mixed = signedDataRequest({ certificates: [other.certificate, leaf.certificate] });
    await expect(encodeSignedData(mixed)).rejects.toMatchObject({ hint: expect.stringContaining("first") });
  });

  it("refuses a signature that its signer got wrong", async () => {
    const signer = { ...memorySigner(rsaKey()), sign: () => Promise.resolve(Buffer.alloc(256)) };
    await expect(encodeSignedData(signedDataRequest({ signer }))).rejects.toMatchObject({ code: "signer" });
  });
});
