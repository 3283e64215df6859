import { describe, expect, it } from "vitest";
import { ascii, FormatError, record, u16le, u32le, u64be, u64le, type ValueOf } from "./index.ts";

const Sample = record("Sample", 16, {
  name: [0x00, ascii(2)],
  count: [0x02, u16le],
  sizeBytes: [0x04, u32le],
  address: [0x08, u64le],
});
const sample: ValueOf<typeof Sample> = { name: "ab", count: 7, sizeBytes: 0xffffffff, address: 1n << 40n };

describe("record", () => {
  it("encodes what it decodes", () => {
    const bytes = Sample.encode(sample);
    expect(bytes.toString("hex")).toBe("61620700ffffffff0000000000010000");
    expect(Sample.decode(bytes)).toEqual(sample);
  });

  it("puts the high byte of a big-endian integer first", () => {
    const Big = record("Big", 8, { value: [0x00, u64be] });
    expect(Big.encode({ value: 0x0102030405060708n }).toString("hex")).toBe("0102030405060708");
    expect(Big.decode(Buffer.from("ff02030405060708", "hex"))).toEqual({ value: 0xff02030405060708n });
  });

  it.each([
    [{ ...sample, count: 65536 }, "cannot encode Sample.count at 0x2: expected an integer 0..0xffff, got 65536"],
    [{ ...sample, sizeBytes: -1 }, "Sample.sizeBytes at 0x4"],
    [{ ...sample, name: "abc" }, "at most 2 ASCII characters"],
    [{ ...sample, address: 1n << 64n }, "Sample.address at 0x8"],
  ])("refuses a value that does not fit: %#", (values, message) => {
    expect(() => Sample.encode(values)).toThrow(message);
  });

  it("refuses bytes that end early", () => {
    expect(() => Sample.decode(Buffer.alloc(15))).toThrow(FormatError);
    expect(() => Sample.decode(Buffer.alloc(20), 5)).toThrow("expected 16 bytes, got 15");
  });

  it("refuses layouts with gaps, overlaps and wrong totals", () => {
    expect(() => record("Gap", 8, { a: [0, u16le], b: [4, u32le] })).toThrow("Gap.b: expected offset 2, got 4");
    expect(() => record("Overlap", 4, { a: [0, u32le], b: [2, u16le] })).toThrow("Overlap.b: expected offset 4, got 2");
    expect(() => record("Total", 4, { a: [0, u16le] })).toThrow("expected a total of 4 bytes, got 2");
  });
});
