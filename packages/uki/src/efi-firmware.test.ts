import { bytesSource, FormatError } from "@cvm-build/bytes";
import { expect, it } from "vitest";
import { encodeEfiFirmware, readEfiFirmwareId } from "./efi-firmware.ts";

const whole = (id: string) => {
  const section = encodeEfiFirmware({ id, payload: bytesSource(Buffer.from("firmware")) });
  return section.read(0, section.sizeBytes);
};

it("writes id and firmware behind a header", () => {
  const header = ["addeedfe", "10000000", "05000000", "08000000"].join("");
  expect(whole("acme").toString("hex")).toBe(header + Buffer.from("acme\0firmware").toString("hex"));
  expect(readEfiFirmwareId(bytesSource(whole("acme")))).toBe("acme");
});

it.each([
  ["half a header", whole("x").subarray(0, 8)],
  ["another magic", Buffer.from(whole("x")).fill(0, 0, 1)],
  ["firmware that is cut", whole("x").subarray(0, -1)],
  ["an id of 4 GiB", Buffer.from(whole("x")).fill(0xff, 8, 12)],
])("refuses %s", (_, bytes) => {
  expect(() => readEfiFirmwareId(bytesSource(bytes))).toThrow(FormatError);
});
