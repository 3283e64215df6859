import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesSource, openFileSource } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { ecKey, makeIdentity, memorySigner } from "../cms/certificate.fixture.ts";
import { leaf, root } from "../cms/signed-data.fixture.ts";
import { OptionalHeader64 } from "../pe/format.ts";
import { makePe } from "../pe/pe.fixture.ts";
import { readPe } from "../pe/reader.ts";
import { makeAuthority } from "../timestamp/timestamp.fixture.ts";
import { peCheckSum } from "./checksum.ts";
import { imageFolder, makeImage, makeSigned, signing } from "./image.fixture.ts";
import { readCertificateTable } from "./reader.ts";
import { attachSignature, removeSignatures, signDetached, type SigningRequest, signPe } from "./sign.ts";
import { verifyDetached, verifyPe } from "./verify.ts";

const trusted = [root.certificate];
const vectors = join(import.meta.dirname, "../../../../../shared/vectors/authenticode");
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

const signedOften = await makeSigned(makeImage(), 32);

/** An image with a section at bytes that others have, too. */
function makeOverlapping(pointerToRawData: number): Buffer {
  const text = { name: ".text", content: "code", sizeOfRawData: 1024 };
  return makePe({ sections: [text, { name: ".more", content: "", pointerToRawData, sizeOfRawData: 1024 }] });
}

describe("signPe", () => {
  it("gives the same bytes each time with RSA", async () => {
    const signed = await makeSigned();
    expect(await makeSigned()).toEqual(signed);
    // sbverify, osslsigncode and pesign accepted them when they were pinned.
    expect(sha256(signed)).toBe("8a3f001c7d517fe33d3756af7633ed494378e74c2cc58be4a3807917d4ded37b");
  });

  it("says what it did, and verifies", async () => {
    using folder = imageFolder();
    const signed = await signPe({ ...signing, image: folder.image, output: folder.output, hash: "sha384" });
    using source = openFileSource(folder.output);
    const { isTrusted, signatures } = verifyPe(source, { trusted });
    expect(isTrusted).toBe(true);
    expect(signatures.map(({ digest, hash, key }) => ({ digest, hash, key }))).toEqual([
      { digest: signed.digest, hash: "sha384", key: "RSA-2048" },
    ]);
    expect(signed).toMatchObject({ sizeBytes: source.sizeBytes, hash: "sha384", signatures: 1 });
  });

  it("adds a signature to those that are there, and pads what is no multiple of 8", async () => {
    const other = makeIdentity({ name: "other", privateKey: ecKey() });
    using folder = imageFolder(await makeSigned(makeImage("odd")));
    const request = { ...folder, signer: memorySigner(other.privateKey), certificates: [other.certificate] };
    expect(await signPe(request)).toMatchObject({ signatures: 2 });
    using source = openFileSource(folder.output);
    expect(readCertificateTable(source)[0]?.offsetBytes).toBe(0x808);
    const subjects = (by: readonly (typeof other.certificate)[]) =>
      verifyPe(source, { trusted: by }).signatures.map(({ isTrusted }) => isTrusted);
    expect(subjects(trusted)).toEqual([true, false]);
    expect(subjects([other.certificate])).toEqual([false, true]);
    expect(subjects([])).toEqual([false, false]);
  });

  it("may replace the image itself, and leaves nothing beside it", async () => {
    using folder = imageFolder();
    await signPe({ ...signing, image: folder.image, output: folder.image });
    expect(readdirSync(folder.path)).toEqual(["image.efi"]);
    expect(readFileSync(folder.image)).toEqual(await makeSigned());
  });

  it.each<[string, Partial<SigningRequest>, Buffer, string]>([
    [
      "another's certificate",
      { certificates: [makeIdentity({ name: "x", privateKey: ecKey() }).certificate] },
      makeImage(),
      "certificate",
    ],
    ["a curve that firmware lacks", { signer: memorySigner(ecKey("P-521")) }, makeImage(), "certificate"],
    [
      "a signer that fails",
      { signer: { ...signing.signer, sign: () => Promise.resolve(Buffer.of(1)) } },
      makeImage(),
      "signer",
    ],
    ["a file that is no image", {}, Buffer.from("#!/bin/sh\n"), "signature"],
    ["an image of too many signatures", {}, signedOften, "signature"],
    ["an image one of whose sections has the headers", {}, makeOverlapping(0), "signature"],
    ["an image whose sections are larger than itself", {}, makeOverlapping(1024), "signature"],
    ["an authority without the time", { timestamp: makeAuthority({ status: 2 }) }, makeImage(), "signature"],
    [
      "certificates that make it too large for firmware",
      { certificates: [leaf.certificate, ...bulky(4)] },
      makeImage(),
      "signature",
    ],
  ])("refuses %s, and leaves what was there", async (_, change, image, code) => {
    using folder = imageFolder(image);
    writeFileSync(folder.output, "before");
    await expect(signPe({ ...signing, ...change, ...folder })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/^cannot .*: expected .*, got /),
    });
    expect(readFileSync(folder.output, "utf8")).toBe("before");
    expect(readdirSync(folder.path).sort()).toEqual(["image.efi", "signed.efi"]);
  });

  it("names a file that is not there, and a folder", async () => {
    using folder = imageFolder();
    const missing = join(folder.path, "missing");
    for (const paths of [
      { image: missing, output: folder.output },
      { image: folder.image, output: join(missing, "signed.efi") },
    ]) {
      await expect(signPe({ ...signing, ...paths })).rejects.toMatchObject({
        code: "uki-output",
        message: expect.stringContaining(missing),
      });
    }
  });
});

describe("detached signatures", () => {
  it("verify beside their image, and within it once attached", async () => {
    using folder = imageFolder(makeImage("odd"));
    using image = openFileSource(folder.image);
    const signature = await signDetached(image, signing);
    expect(verifyDetached(image, signature, { trusted }).isTrusted).toBe(true);
    await attachSignature({ ...folder, signature });
    expect(readFileSync(folder.output)).toEqual(await makeSigned(makeImage("odd")));
  });

  it("are refused for another image", async () => {
    using folder = imageFolder(makeImage("other"));
    const signature = await signDetached(bytesSource(makeImage()), signing);
    const { isTrusted, problem } = verifyDetached(bytesSource(makeImage("other")), signature, { trusted });
    expect(isTrusted).toBe(false);
    expect(problem).toMatch(/^expected image digest 4fb9622f/);
    await expect(attachSignature({ ...folder, signature })).rejects.toMatchObject({ code: "signature" });
    await expect(attachSignature({ ...folder, signature: Buffer.from("none") })).rejects.toMatchObject({
      code: "signature",
    });
    expect(existsSync(folder.output)).toBe(false);
  });
});

describe("removeSignatures", () => {
  it("gives back the image but for its checksum", async () => {
    using folder = imageFolder(await makeSigned(makeImage(), 2));
    await removeSignatures(folder);
    const removed = readFileSync(folder.output);
    const image = makeImage();
    expect(removed.fill(0, 0x98, 0x9c)).toEqual(image.fill(0, 0x98, 0x9c));
    expect(await makeSigned(removed)).toEqual(await makeSigned());
  });

  it("refuses an image without one", async () => {
    using folder = imageFolder();
    await expect(removeSignatures(folder)).rejects.toMatchObject({ code: "signature" });
    expect(existsSync(folder.output)).toBe(false);
  });
});

describe("peCheckSum", () => {
  it.skipIf(!existsSync(vectors))("is the one that sbsign wrote", () => {
    for (const name of ["HelloWorld.efi.signed", "test.pecoff.signed"]) {
      const bytes = readFileSync(join(vectors, name));
      const offset = readPe(bytesSource(bytes)).optionalOffset + OptionalHeader64.offsetOf("checkSum");
      expect(peCheckSum(bytesSource(bytes), offset), name).toBe(bytes.readUInt32LE(offset));
      // Bytes that do not start at a multiple of four in memory.
      const shifted = Buffer.concat([Buffer.alloc(1), bytes]).subarray(1);
      expect(peCheckSum(bytesSource(shifted), offset), name).toBe(bytes.readUInt32LE(offset));
    }
  });
});

/** Certificates of 20 KB each. */
function bulky(count: number) {
  return Array.from({ length: count }, (_, index) => {
    const extensions = [["1.2.3", false, Buffer.alloc(20_000)]] as const;
    return makeIdentity({ name: `bulky ${index}`, privateKey: ecKey(), extensions }).certificate;
  });
}
