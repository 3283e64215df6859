import { readFileSync } from "node:fs";
import { bytesSource, DerTag, FormatError, paddingTo, readDer, readDerList } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { sequence, setOf } from "../asn1/writer.ts";
import { root, signedDataRequest } from "../cms/signed-data.fixture.ts";
import { encodeSignedData, type SignedDataRequest } from "../cms/writer.ts";
import { DataDirectory, SECURITY_DIRECTORY } from "../pe/format.ts";
import { readPe } from "../pe/reader.ts";
import { makeAuthority } from "../timestamp/timestamp.fixture.ts";
import { SPC_INDIRECT_DATA, WinCertificate } from "./format.ts";
import { imageFolder, makeImage, makeSigned, signing } from "./image.fixture.ts";
import { encodeIndirectData } from "./indirect-data.ts";
import { signPe } from "./sign.ts";
import { verifyPe } from "./verify.ts";

const trusted = [root.certificate];
/** As `pesign -h` says. */
const imageDigest = Buffer.from("4fb9622f33492ac355875ca36163a65ef53f11f99aff7fa7485459d70f2a0d05", "hex");

/** The image with something in place of a signature. */
function withEntry(contents: Buffer, certificateType = 2): Buffer {
  const lengthBytes = WinCertificate.sizeBytes + contents.length;
  const image = makeImage();
  const entry = Buffer.concat([
    WinCertificate.encode({ lengthBytes, revision: 0x200, certificateType }),
    contents,
    Buffer.alloc(paddingTo(lengthBytes, 8)),
  ]);
  const directoryOffset = readPe(bytesSource(image)).directoriesOffset + SECURITY_DIRECTORY * DataDirectory.sizeBytes;
  DataDirectory.encode({ virtualAddress: image.length, sizeBytes: entry.length }).copy(image, directoryOffset);
  return Buffer.concat([image, entry]);
}

/** A signature that is right but for what is changed. */
function signature(change: Partial<SignedDataRequest> = {}): Promise<Buffer> {
  const content = { type: SPC_INDIRECT_DATA, bytes: encodeIndirectData("sha256", imageDigest), tag: DerTag.sequence };
  return encodeSignedData(signedDataRequest({ content, ...change }));
}

const problemOf = (image: Buffer) => {
  const { isTrusted, signatures } = verifyPe(bytesSource(image), { trusted });
  return isTrusted ? "none" : signatures[0]?.problem;
};

describe("verifyPe", () => {
  it("trusts nothing that has no signature", () => {
    expect(verifyPe(bytesSource(makeImage()), { trusted })).toEqual({ signatures: [], isTrusted: false });
    expect(() => verifyPe(bytesSource(Buffer.from("text")), { trusted })).toThrow(FormatError);
  });

  it("refuses an image of which one byte is another, wherever that is signed", async () => {
    const signed = await makeSigned();
    expect(problemOf(signed)).toBe("none");
    for (const at of [0x10, 0x48, 0x9c, 0x160, 0x400, 0x600, 0x7ff]) {
      const flipped = Buffer.from(signed);
      flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
      expect(problemOf(flipped), `0x${at.toString(16)}`).toMatch(/^expected image digest 4fb9622f/);
    }
    // The checksum is not signed: signing tools set it afterwards.
    const checkSum = Buffer.from(signed);
    checkSum.writeUInt8(checkSum.readUInt8(0x98) ^ 1, 0x98);
    expect(problemOf(checkSum)).toBe("none");
  });

  it("tells a signature that is right from one that is trusted", async () => {
    const { isTrusted, signatures } = verifyPe(bytesSource(await makeSigned()), { trusted: [] });
    expect(isTrusted).toBe(false);
    expect(signatures[0]).toMatchObject({ isTrusted: false, key: "RSA-2048", digest: imageDigest.toString("hex") });
    expect(signatures[0]?.problem).toBeUndefined();
    expect(signatures[0]?.chain).toBeUndefined();
  });

  it.each<[string, () => Promise<Buffer> | Buffer, string]>([
    ["bytes that are none", () => Buffer.alloc(16), "ContentInfo: expected tag 0x30"],
    [
      "a signature of data",
      () => signature({ content: { type: "1.2.840.113549.1.7.1", bytes: imageDigest } }),
      "(SpcIndirectDataContent)",
    ],
    [
      "one that lacks its content",
      () => signature({ detached: true }),
      "SpcIndirectDataContent: expected tag 0x30, got nothing",
    ],
    ["one without signed attributes", () => signature({ attributes: "none" }), "expected signed attributes, got none"],
    [
      "one whose digests are of two kinds",
      () => signature({ hash: "sha384" }),
      "expected one digest for image and signature, got sha256 and sha384",
    ],
    [
      "one of another image",
      () =>
        signature({
          content: {
            type: SPC_INDIRECT_DATA,
            bytes: encodeIndirectData("sha256", Buffer.alloc(32)),
            tag: DerTag.sequence,
          },
        }),
      `expected image digest ${"00".repeat(32)}, got 4fb9622f`,
    ],
    [
      "one with bytes after it",
      async () => Buffer.concat([await signature(), Buffer.of(1)]),
      "expected zeros after it",
    ],
    ["one of no signer", () => withoutSigner(), "expected one signer, got 0"],
  ])("says what is wrong with %s", async (_, contents, problem) => {
    expect(problemOf(withEntry(await contents()))).toContain(problem);
  });

  it("takes the signature that the others are changed from, and none of another type", async () => {
    expect(problemOf(withEntry(await signature()))).toBe("none");
    expect(problemOf(withEntry(await signature(), 0xef1))).toBe("expected a PKCS #7 signature, got type 0xef1");
  });

  it("trusts an image for one signature, whatever is wrong with another", async () => {
    using folder = imageFolder(withEntry(Buffer.alloc(16)));
    await signPe({ ...signing, ...folder });
    const { isTrusted, signatures } = verifyPe(bytesSource(readFileSync(folder.output)), { trusted });
    expect(isTrusted).toBe(true);
    expect(signatures.map((each) => each.isTrusted)).toEqual([false, true]);
  });

  it("says when an image was signed, and whether to believe it", async () => {
    using folder = imageFolder();
    const authority = makeAuthority();
    await signPe({ ...signing, ...folder, timestamp: authority });
    const stamped = bytesSource(readFileSync(folder.output));
    const timestampTrusted = [authority.identity.certificate];
    const [believed] = verifyPe(stamped, { trusted, timestampTrusted }).signatures;
    expect(believed?.timestamp).toMatchObject({ time: "2026-01-02T03:04:05Z", key: "P-256" });
    expect(believed?.timestamp?.chain).toHaveLength(1);
    expect(verifyPe(stamped, { trusted }).signatures[0]?.timestamp?.chain).toBeUndefined();
    expect(verifyPe(stamped, { trusted }).isTrusted).toBe(true);
  });
});

/** A `SignedData` that all agree on, and nobody has signed. */
async function withoutSigner(): Promise<Buffer> {
  const parts = readDerList(readDer(await signature({ wrapped: false })).contents);
  return sequence(...parts.slice(0, -1).map(({ encoded }) => encoded), setOf());
}
