import { FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ProtoMessage, ProtoSchema } from "./schema.ts";
import { parseProtoText } from "./text.ts";
import { decodeProto } from "./wire.ts";

const SCHEMA = {
  a: [1, "uint"],
  b: [2, "bytes"],
  c: [3, { message: { a: [1, "uint"], b: [2, "bytes"] } }],
  e: [4, { enum: { OFF: 0, ON: 1 } }],
} as const satisfies ProtoSchema;

const decode = (hex: string) => decodeProto("Test", Buffer.from(hex, "hex"), SCHEMA);
const parse = (text: string) => parseProtoText("Test", text, SCHEMA);
const shown = (message: ProtoMessage): unknown => ({
  a: message.numbers("a"),
  b: message.bytes("b").map((value) => value.toString("latin1")),
  c: message.messages("c").map(shown),
});

describe("decodeProto", () => {
  // Examples of the encoding's documentation.
  it.each([
    ["089601", { a: [150], b: [], c: [] }],
    ["120774657374696e67", { a: [], b: ["testing"], c: [] }],
    ["1a03089601", { a: [], b: [], c: [{ a: [150], b: [], c: [] }] }],
    ["1201611201620801", { a: [1], b: ["a", "b"], c: [] }],
    ["", { a: [], b: [], c: [] }],
  ])("%s", (hex, values) => expect(shown(decode(hex))).toEqual(values));

  it("passes over fields that it does not know, of all kinds", () => {
    const hex = ["2801", "310102030405060708", "3a0100", "4501020304", "089601"].join("");
    expect(shown(decode(hex))).toEqual({ a: [150], b: [], c: [] });
  });

  it.each([
    ["a cut field", "0896"],
    ["a cut string", "120774"],
    ["a string longer than the bytes", "12ffffffffffffffff7f00"],
    ["a number where bytes belong", "1001"],
    ["bytes where a number belongs", "0a0100"],
    ["a number of eleven bytes", `08${"ff".repeat(11)}`],
    ["field 0", "0001"],
    ["a group", "0b0c"],
    ["fields without end", "0801".repeat(5000)],
    ["fields without end, in messages", `1afe01${"0801".repeat(127)}`.repeat(40)],
  ])("refuses %s", (_, hex) => expect(() => decode(hex)).toThrow(FormatError));
});

describe("parseProtoText", () => {
  it.each([
    ["a: 150", { a: [150], b: [], c: [] }],
    ['a: 0x10 b: "x" "\\001\\xff\\n\\"" # comment\n b: \'y\'', { a: [16], b: ['x\x01\xff\n"', "y"], c: [] }],
    [
      "c { a: 1 }, c: < a: 2; >",
      {
        a: [],
        b: [],
        c: [
          { a: [1], b: [], c: [] },
          { a: [2], b: [], c: [] },
        ],
      },
    ],
    [
      "a: [1, 2] c: [{a: 3}, {}]",
      {
        a: [1, 2],
        b: [],
        c: [
          { a: [3], b: [], c: [] },
          { a: [], b: [], c: [] },
        ],
      },
    ],
    ['x: 1.5 y { z: "w" a: true } z: [1, -2] a: 7', { a: [7], b: [], c: [] }],
    ["", { a: [], b: [], c: [] }],
  ])("%s", (text, values) => expect(shown(parse(text))).toEqual(values));

  it("takes a number's name", () => {
    expect(parse("e: ON").numbers("e")).toEqual([1]);
    expect(() => parse("e: toString")).toThrow(FormatError);
  });

  it.each([
    ["a value that is missing", "a:"],
    ["a string where a number belongs", 'a: "1"'],
    ["a word where a string belongs", "b: x"],
    ["a message where a number belongs", "a { }"],
    ["a number where a message belongs", "c: 1"],
    ["a message without end", "c { a: 1"],
    ["a list without end", "a: [1"],
    ["a string without end", 'b: "x'],
    ["another's end", "c { a: 1 >"],
    ["what is no field", "= 1"],
    ["levels without end", "c {".repeat(100)],
    ["fields without end", "a: 1 ".repeat(5000)],
    ["a list of too many", `a: [${"1,".repeat(5000)}]`],
    ["too many parts of a string", `b: ${'"x" '.repeat(5000)}`],
    ["too much text", `#${"x".repeat(1 << 22)}`],
  ])("refuses %s", (_, text) => expect(() => parse(text)).toThrow(FormatError));

  it("gives a message or a FormatError for any text and any bytes", () => {
    const words = fc.constantFrom(
      "a",
      "b",
      "c",
      ":",
      "{",
      "}",
      "[",
      "]",
      "<",
      ">",
      '"x"',
      '"',
      "\\",
      "1",
      " ",
      "#",
      "\n",
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 30 }), fc.uint8Array({ maxLength: 40 }), (text, bytes) => {
        for (const read of [() => parse(text.join("")), () => decodeProto("Test", bytes, SCHEMA)]) {
          try {
            shown(read());
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        }
      }),
      { seed: 1, numRuns: 3000 },
    );
  });
});
