import { DerTag, FormatError, readDer } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeObjectIdentifier, decodeSmallInteger, DerFields, readDerWhole } from "./reader.ts";
import {
  constructed,
  integer,
  NO_BITS,
  NULL,
  objectIdentifier,
  octetString,
  primitive,
  sequence,
  setOf,
  TRUE,
} from "./writer.ts";

const place = { record: "Test", field: "field" };

describe("ASN.1 values", () => {
  /** Encodings as `openssl asn1parse -genstr` gives them. */
  it.each([
    ["OID:1.2.840.113549.1.1.1", objectIdentifier("1.2.840.113549.1.1.1"), "06092a864886f70d010101"],
    ["OID:2.16.840.1.101.3.4.2.1", objectIdentifier("2.16.840.1.101.3.4.2.1"), "0609608648016503040201"],
    ["OID:2.999.4294967296", objectIdentifier("2.999.4294967296"), "060788379080808000"],
    ["OID:0.9", objectIdentifier("0.9"), "060109"],
    ["INTEGER:0", integer(0), "020100"],
    ["INTEGER:127", integer(127), "02017f"],
    ["INTEGER:128", integer(128), "02020080"],
    ["INTEGER:65536", integer(65_536), "0203010000"],
    ["INTEGER:0x00ff01", integer(Buffer.from("00ff01", "hex")), "020300ff01"],
    ["INTEGER:0 of no bytes", integer(Buffer.alloc(0)), "020100"],
    ["NULL", NULL, "0500"],
    ["BOOLEAN:true", TRUE, "0101ff"],
    ["FORMAT:HEX,BITSTRING:", NO_BITS, "030100"],
    ["FORMAT:HEX,OCT:0102", octetString(Buffer.of(1, 2)), "04020102"],
    ["EXPLICIT:1,NULL", constructed(1, NULL), "a1020500"],
    ["IMPLICIT:2,FORMAT:ASCII,OCT:a", primitive(2, Buffer.from("a")), "820161"],
    ["SEQUENCE", sequence(NULL, TRUE), "300505000101ff"],
    ["SET, sorted", setOf(NULL, TRUE), "31050101ff0500"],
  ])("%s", (_, encoded, hex) => {
    expect(encoded.toString("hex")).toBe(hex);
  });

  it("reads back every object identifier that it writes", () => {
    const arc = fc.oneof(fc.nat(300), fc.maxSafeNat());
    fc.assert(
      fc.property(fc.nat(2), fc.nat(39), fc.array(arc, { maxLength: 6 }), (root, second, rest) => {
        const dotted = [root, second, ...rest].join(".");
        expect(decodeObjectIdentifier(readDer(objectIdentifier(dotted)).contents, place)).toBe(dotted);
      }),
      { seed: 3 },
    );
  });

  it.each([
    ["nothing", ""],
    ["a cut number", "2a86"],
    ["a padded number", "2a8001"],
    ["a number beyond 2^53", "2affffffffffffffffff7f"],
    ["65 bytes", "2a".repeat(65)],
  ])("refuses an object identifier of %s", (_, hex) => {
    expect(() => decodeObjectIdentifier(Buffer.from(hex, "hex"), place)).toThrow(FormatError);
  });

  it("reads fields in their order", () => {
    const fields = new DerFields(readDer(sequence(integer(3), constructed(0, NULL), TRUE)), DerTag.sequence, "Test");
    expect(fields.takeIf(DerTag.boolean)).toBeUndefined();
    expect(decodeSmallInteger(fields.take(DerTag.integer, "version"), place)).toBe(3);
    expect(() => fields.end()).toThrow("Test: expected its end, got tag 0xa0");
    expect(fields.takeAny("any").encoded.toString("hex")).toBe("a0020500");
    expect(() => fields.take(DerTag.sequence, "last")).toThrow("Test.last: expected tag 0x30, got 0x1");
    expect(() => fields.takeAny("more")).toThrow("Test.more: expected a value, got nothing");
    fields.end();
  });

  it.each([
    ["a negative one", "0201ff"],
    ["one of two bytes", "02020100"],
    ["an empty one", "0200"],
  ])("takes for a version no integer that is %s", (_, hex) => {
    expect(() => decodeSmallInteger(readDer(Buffer.from(hex, "hex")), place)).toThrow("expected an integer 0..127");
  });

  it("refuses bytes after a value that should be all", () => {
    expect(() => readDerWhole(Buffer.from("050000", "hex"), "Test")).toThrow(
      "expected one value, got 1 bytes after it",
    );
  });
});
