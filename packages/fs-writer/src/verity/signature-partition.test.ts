import { FormatError, sha256Hex } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mutated } from "../fuzz.fixture.ts";
import { encodeVeritySignature, readVeritySignature } from "./signature-partition.ts";

const content = {
  rootHash: "28c3f930dde34d9e8d9426b626c1a379a0efc05b8e9ebebf7d9c6dbd2f2f47c4",
  certificateFingerprint: sha256Hex("certificate"),
  signature: Buffer.from("signature"),
};

describe("verity signature partition", () => {
  it("is a JSON object and NULs", () => {
    const bytes = encodeVeritySignature(content);
    expect(bytes).toHaveLength(16_384);
    const { rootHash, certificateFingerprint } = content;
    const text = `{"rootHash":"${rootHash}","certificateFingerprint":"${certificateFingerprint}","signature":"c2lnbmF0dXJl"}`;
    expect(bytes.toString("latin1").replace(/\0+$/, "")).toBe(text);
    expect(readVeritySignature(bytes)).toEqual(content);
  });

  it("grows with what is in it", () => {
    const large = { ...content, signature: Buffer.alloc(20_000, 1) };
    const bytes = encodeVeritySignature(large);
    expect(bytes).toHaveLength(28_672);
    expect(readVeritySignature(bytes)).toEqual(large);
    const tooLarge = { ...content, signature: Buffer.alloc(4 << 20) };
    expect(() => encodeVeritySignature(tooLarge)).toThrow(expect.objectContaining({ code: "verity" }));
  });

  it.each<[string, string]>([
    ["nothing", ""],
    ["no JSON", "{"],
    ["no object", "null"],
    ["no root hash", JSON.stringify({ ...content, rootHash: undefined, signature: "AA==" })],
    ["a root hash in upper case", JSON.stringify({ ...content, rootHash: "AB", signature: "AA==" })],
    ["a short fingerprint", JSON.stringify({ ...content, certificateFingerprint: "ab", signature: "AA==" })],
    ["no signature", JSON.stringify({ ...content, signature: "" })],
    ["another text for a signature", JSON.stringify({ ...content, signature: "ä" })],
  ])("refuses %s", (_, text) => {
    expect(() => readVeritySignature(Buffer.from(text))).toThrow(FormatError);
  });

  it("gives a value or a FormatError for damaged ones", () => {
    fc.assert(
      fc.property(mutated(encodeVeritySignature(content).subarray(0, 400)), (damaged) => {
        try {
          readVeritySignature(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1, numRuns: 1000 },
    );
  });
});
