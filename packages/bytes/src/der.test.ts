import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DerTag, encodeDer, expectDer, readDer, readDerList } from "./der.ts";
import { FormatError } from "./errors.ts";

describe("DER", () => {
  /** Lengths of X.690, 8.1.3.4 and 8.1.3.5, in the shortest form as 10.1 asks. */
  it.each([
    [0, "0400"],
    [127, "047f"],
    [128, "048180"],
    [201, "0481c9"],
    [256, "04820100"],
    [65_536, "0483010000"],
  ])("has %i bytes of contents behind %s", (sizeBytes, header) => {
    const encoded = encodeDer(DerTag.octetString, Buffer.alloc(sizeBytes, 7));
    expect(encoded.subarray(0, encoded.length - sizeBytes).toString("hex")).toBe(header);
    const value = readDer(Buffer.concat([encoded, Buffer.of(1, 2)]));
    expect(value.tag).toBe(4);
    expect(value.contents).toEqual(Buffer.alloc(sizeBytes, 7));
    expect(value.encoded).toEqual(encoded);
  });

  it.each([
    ["nothing", "", "a tag and a length"],
    ["a tag alone", "30", "a tag and a length"],
    ["a tag of several bytes", "1f8100", "a tag of one byte"],
    ["an indefinite length", "30800000", "a length of at most 4 bytes"],
    ["a length of five bytes", "30850000000001", "a length of at most 4 bytes"],
    ["a length that is cut", "308201", "a length of at most 4 bytes"],
    ["a length beyond the bytes", "30030201", "expected 3 bytes, got 2"],
    ["the largest length", "3084ffffffff", "expected 4294967295 bytes, got 0"],
    ["a long form of a short length", "30810100", "shortest form"],
    ["a length with a leading zero", `30820080${"00".repeat(128)}`, "shortest form"],
  ])("refuses %s", (_, hex, message) => {
    const bytes = Buffer.from(hex, "hex");
    expect(() => readDer(bytes)).toThrow(FormatError);
    expect(() => readDer(bytes)).toThrow(message);
  });

  it("reads a list of bounded length, to its last byte", () => {
    const list = readDerList(Buffer.from("0201050500", "hex"));
    expect(list.map(({ tag, contents }) => [tag, contents.toString("hex")])).toEqual([
      [0x02, "05"],
      [0x05, ""],
    ]);
    expect(() => readDerList(Buffer.from("02010505", "hex"))).toThrow("a tag and a length");
    expect(readDerList(Buffer.alloc(2 * 4096, Buffer.from("0500", "hex")))).toHaveLength(4096);
    expect(() => readDerList(Buffer.alloc(2 * 4097, Buffer.from("0500", "hex")))).toThrow("at most 4096 values");
  });

  it("says which field has another tag", () => {
    const place = { record: "Certificate", field: "serialNumber" };
    const value = readDer(Buffer.from("0500", "hex"));
    expect(() => expectDer(value, DerTag.integer, place)).toThrow(
      "Certificate.serialNumber: expected tag 0x2, got 0x5",
    );
    expect(() => expectDer(undefined, DerTag.integer, place)).toThrow("expected tag 0x2, got nothing");
  });

  it("encodes what it read to the same bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          const { tag, contents, encoded } = readDer(Buffer.from(bytes));
          expect(encodeDer(tag, contents)).toEqual(Buffer.from(encoded));
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 7, numRuns: 3000 },
    );
  });
});
