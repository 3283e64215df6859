import { FormatError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { decodeEfiTime, EfiTime, encodeEfiTime } from "./efi-time.ts";

/** As `sign-efi-sig-list -t "2020-01-02 03:04:05"` has written it. */
const captured = Buffer.from("e4070102030405000000000000000000", "hex");

describe("EFI_TIME", () => {
  it("is what efitools writes", () => {
    expect(encodeEfiTime(new Date("2020-01-02T03:04:05.678Z")).toString("hex")).toBe(captured.toString("hex"));
    expect(decodeEfiTime(captured).toISOString()).toBe("2020-01-02T03:04:05.000Z");
  });

  it.each<[string, (bytes: Buffer) => void]>([
    ["a year before 1900", (bytes) => void bytes.writeUInt16LE(1899, EfiTime.offsetOf("year"))],
    ["a year after 9999", (bytes) => void bytes.writeUInt16LE(10_000, EfiTime.offsetOf("year"))],
    ["month 0", (bytes) => void bytes.writeUInt8(0, EfiTime.offsetOf("month"))],
    ["month 13", (bytes) => void bytes.writeUInt8(13, EfiTime.offsetOf("month"))],
    ["30 February", (bytes) => void bytes.set([2, 30], EfiTime.offsetOf("month"))],
    ["hour 24", (bytes) => void bytes.writeUInt8(24, EfiTime.offsetOf("hour"))],
    ["nanoseconds", (bytes) => void bytes.writeUInt32LE(1, EfiTime.offsetOf("nanosecond"))],
    ["a time zone", (bytes) => void bytes.writeUInt16LE(60, EfiTime.offsetOf("timeZone"))],
    ["padding", (bytes) => void bytes.writeUInt8(1, EfiTime.offsetOf("pad2"))],
  ])("refuses %s", (_, change) => {
    const bytes = Buffer.from(captured);
    change(bytes);
    expect(() => decodeEfiTime(bytes)).toThrow(FormatError);
  });
});
