import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, FormatError, readDer, readDerList } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { signPe } from "../authenticode/sign.ts";
import { ecKey, type Identity, makeIdentity, memorySigner, rsaKey } from "../cms/certificate.fixture.ts";
import { authenticodeDigests } from "../pe/authenticode.ts";
import { makePe } from "../pe/pe.fixture.ts";
import type { SignatureHash } from "../signer/signer.ts";
import { SIGNATURE_TYPES } from "./signature-list/format.ts";
import type { SignatureList } from "./signature-list/reader.ts";
import { certificateList, digestList, encodeSignatureLists } from "./signature-list/writer.ts";
import { judgeImage } from "./verdict.ts";

const owner = "11111111-2222-3333-4444-123456789abc";
const rsa = () => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;

/** An authority, what it issued, and one that has nothing to do with them. */
const root = makeIdentity({ name: "root", privateKey: rsaKey(), authority: {} });
const leaf = makeIdentity({ name: "leaf", privateKey: rsa(), issuer: root, serialNumber: 2 });
const stranger = makeIdentity({ name: "stranger", privateKey: rsa(), serialNumber: 3 });
const curve = makeIdentity({ name: "curve", privateKey: ecKey(), serialNumber: 4 });

const image = makePe({ sections: [{ name: ".text", content: "code" }] });
let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "cvm-verdict-"))));
afterAll(() => rmSync(folder, { recursive: true }));

async function signed(identities: readonly Identity[], hash: SignatureHash = "sha256"): Promise<Buffer> {
  const path = join(folder, "image.efi");
  writeFileSync(path, image);
  for (const { certificate, issuer, privateKey } of identities) {
    const certificates = [certificate, ...(issuer ? [issuer.certificate] : [])];
    await signPe({ image: path, output: path, signer: memorySigner(privateKey), certificates, hash });
  }
  return readFileSync(path);
}

const trusting = (...identities: Identity[]) =>
  identities.map(({ certificate }) => certificateList({ owner, der: certificate.raw }));
const judge = (bytes: Buffer, db: readonly SignatureList[], dbx: readonly SignatureList[] = []) =>
  judgeImage(bytesSource(bytes), { db: encodeSignatureLists(db), dbx: encodeSignatureLists(dbx) });
const authority = (identity: Identity) => ({ authority: { owner, data: identity.certificate.raw } });
const digestOf = (bytes: Buffer, hash: SignatureHash = "sha256") =>
  Buffer.from(authenticodeDigests(bytesSource(bytes), [hash])[hash], "hex");

describe("judgeImage", () => {
  it("finds the first entry of db that vouches, be it the signer's certificate or its issuer's", async () => {
    const bytes = await signed([leaf]);
    expect(judge(bytes, trusting(root))).toEqual(authority(root));
    expect(judge(bytes, trusting(stranger, leaf, root))).toEqual(authority(leaf));
    expect(judge(bytes, trusting(stranger, root, leaf))).toEqual(authority(root));
  });

  it("takes the image's signatures in their order", async () => {
    const bytes = await signed([stranger, leaf]);
    expect(judge(bytes, trusting(root, stranger))).toEqual(authority(stranger));
    expect(judge(bytes, trusting(root))).toEqual(authority(root));
  });

  it("lets an image start whose digest is in db, signed or not", async () => {
    const other = digestList({ owner, sha256: [Buffer.alloc(32, 7)] });
    const unsigned = digestList({ owner, sha256: [Buffer.alloc(32), digestOf(image)] });
    expect(judge(image, [other, unsigned])).toEqual({ authority: { owner, data: digestOf(image) } });
    const bytes = await signed([stranger], "sha384");
    const sha384 = { type: SIGNATURE_TYPES.sha384, header: Buffer.alloc(0) };
    const entry = { owner, data: digestOf(bytes, "sha384") };
    expect(judge(bytes, [...trusting(root), { ...sha384, signatures: [entry] }])).toEqual({ authority: entry });
  });

  it("says why an image does not start", async () => {
    const bytes = await signed([leaf]);
    const changed = Buffer.from(bytes);
    changed.write("C", 0x400);
    const noCertificate = certificateList({ owner, der: Buffer.from("no certificate") });
    expect(judge(image, trusting(root))).toEqual({ refusal: "one without a signature" });
    expect(judge(changed, trusting(root))).toEqual({ refusal: "one that was changed after it was signed" });
    expect(judge(bytes, [...trusting(stranger), noCertificate])).toEqual({
      refusal: 'one signed by "CN=leaf", for whom no entry of db vouches',
    });
    expect(judgeImage(bytesSource(bytes), {})).toHaveProperty("refusal");
    // What follows the header of the first entry, whose image has a size that needs no padding.
    const unreadable = Buffer.from(bytes).fill(0xff, image.length + 8, image.length + 12);
    expect(judge(unreadable, [digestList({ owner, sha256: [digestOf(unreadable)] })])).toEqual({
      refusal: "one without a signature that firmware can read",
    });
    expect(judge(await signed([curve]), trusting(curve))).toEqual({
      refusal: "one signed with an elliptic curve, which EDK2 is built without",
    });
    expect(judge(await signed([curve, leaf]), trusting(curve, root))).toEqual(authority(root));
  });

  it("lets dbx decide over db", async () => {
    const bytes = await signed([leaf]);
    const revoked = { refusal: "one that dbx revokes" };
    const db = trusting(root, leaf);
    expect(judge(bytes, db, trusting(stranger))).toEqual(authority(root));
    for (const identity of [root, leaf]) expect(judge(bytes, db, trusting(identity))).toEqual(revoked);
    expect(judge(bytes, db, [digestList({ owner, sha256: [digestOf(bytes)] })])).toEqual(revoked);
    const listed = digestList({ owner, sha256: [digestOf(image)] });
    expect(judge(image, [listed], [listed])).toEqual(revoked);
  });

  it("lets dbx revoke certificates by the digest of what their issuer signed", async () => {
    const bytes = await signed([leaf]);
    const listOf = (identity: Identity) => {
      const [toBeSigned] = readDerList(readDer(identity.certificate.raw).contents);
      const hash = createHash("sha256")
        .update(toBeSigned?.encoded ?? "")
        .digest();
      const time = Buffer.alloc(16);
      const signatures = [{ owner, data: Buffer.concat([hash, time]) }];
      return { type: SIGNATURE_TYPES.x509Sha256, header: Buffer.alloc(0), signatures };
    };
    expect(judge(bytes, trusting(root), [listOf(stranger)])).toEqual(authority(root));
    expect(judge(bytes, trusting(root), [listOf(leaf)])).toEqual({ refusal: "one that dbx revokes" });
    expect(judge(bytes, trusting(root), [listOf(root)])).toHaveProperty("refusal");
    expect(judge(bytes, trusting(root, leaf), [listOf(root)])).toEqual(authority(leaf));
  });

  it("takes a signature without a signer for revoked where there is a dbx", async () => {
    const bytes = await signed([leaf, leaf]);
    // What follows the header of the first entry.
    bytes.fill(0xff, image.length + 8, image.length + 12);
    expect(judge(bytes, trusting(root))).toEqual(authority(root));
    expect(judge(bytes, trusting(root), trusting(stranger))).toEqual({
      refusal: "one with a signature whose signer firmware cannot tell, which it takes for revoked",
    });
    // Where the digest is not where firmware looks for it, the signature is passed over.
    bytes.fill(0xff, image.length + 8 + 32, image.length + 8 + 41);
    expect(judge(bytes, trusting(root), trusting(stranger))).toEqual(authority(root));
  });

  it("decides or throws a FormatError, and never in favour of an image that was changed", async () => {
    const bytes = await signed([leaf]);
    const db = encodeSignatureLists(trusting(root));
    const digestBefore = digestOf(bytes);
    const mutation = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        const changed = Buffer.from(bytes);
        for (const [offset, difference] of mutations) changed[offset] = (changed[offset] ?? 0) ^ difference;
        try {
          const verdict = judgeImage(bytesSource(changed), { db });
          if ("authority" in verdict) expect(digestOf(changed).equals(digestBefore)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1, numRuns: 1000 },
    );
    expect(() => judgeImage(bytesSource(bytes), { db: db.subarray(1) })).toThrow(FormatError);
  });
});
