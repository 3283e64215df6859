import { describe, expect, it } from "vitest";
import { ecKey, makeIdentity, memorySigner, rsaKey } from "./cms/certificate.fixture.ts";
import { readSignedData } from "./cms/reader.ts";
import { verifySignedData } from "./cms/verify.ts";
import { signRootHash } from "./root-hash.ts";

const ROOT_HASH = "28c3f930dde34d9e8d9426b626c1a379a0efc05b8e9ebebf7d9c6dbd2f2f47c4";

describe("signRootHash", () => {
  it.each([
    ["RSA", rsaKey()],
    ["P-256", ecKey()],
  ] as const)("signs the hexadecimal text itself, with %s", async (_, privateKey) => {
    const { certificate } = makeIdentity({ name: "verity", privateKey });
    const bytes = await signRootHash(ROOT_HASH, { signer: memorySigner(privateKey), certificates: [certificate] });
    const signed = readSignedData(bytes);
    expect(signed.content).toBeUndefined();
    expect(signed.signers[0]?.signedAttributes).toBeUndefined();
    const [good] = verifySignedData(signed, { trusted: [certificate], content: Buffer.from(ROOT_HASH) });
    expect(good).toMatchObject({ hash: "sha256", chain: [certificate] });
    expect(good?.problem).toBeUndefined();
    for (const content of [Buffer.from(ROOT_HASH, "hex"), Buffer.from(`${ROOT_HASH}\n`)]) {
      expect(verifySignedData(signed, { trusted: [certificate], content })[0]?.problem).toBeDefined();
    }
  });

  it("refuses what is no root hash, and another key's certificate", async () => {
    const { certificate } = makeIdentity({ name: "verity", privateKey: rsaKey() });
    const request = { signer: memorySigner(ecKey()), certificates: [certificate] };
    await expect(signRootHash(ROOT_HASH.toUpperCase(), request)).rejects.toThrow("lower-case hex");
    await expect(signRootHash(ROOT_HASH, request)).rejects.toMatchObject({ code: "certificate" });
  });
});
