import { bytesSource, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expectValueOrFormatError, mutated } from "../fuzz.fixture.ts";
import { readAr } from "./reader.ts";
import { encodeAr } from "./writer.ts";

const deb = encodeAr([
  { name: "debian-binary", bytes: Buffer.from("2.0\n") },
  { name: "control.tar.xz", bytes: Buffer.from("odd") },
  { name: "data.tar.xz", bytes: Buffer.from("even") },
]);
const patched = (offset: number, text: string): Buffer => {
  const bytes = Buffer.from(deb);
  bytes.write(text, offset, "latin1");
  return bytes;
};

describe("readAr", () => {
  it("lists members by place", () => {
    const source = bytesSource(deb);
    const members = readAr(source);
    expect(members.map(({ name, sizeBytes, mode }) => [name, sizeBytes, mode.toString(8)])).toEqual([
      ["debian-binary", 4, "100644"],
      ["control.tar.xz", 3, "100644"],
      ["data.tar.xz", 4, "100644"],
    ]);
    expect(members.map((member) => source.read(member.offsetBytes, member.sizeBytes).toString())).toEqual([
      "2.0\n",
      "odd",
      "even",
    ]);
  });

  it.each([
    ["no magic", Buffer.from("PK\x03\x04"), "begins with"],
    ["nothing", Buffer.alloc(0), "begins with"],
    ["a short header", deb.subarray(0, 40), "expected 60 bytes, got 32"],
    ["a short member", deb.subarray(0, deb.length - 1), "at most the 3 bytes that are left"],
    ["a wrong end", patched(8 + 58, "xx"), "a grave accent"],
    ["a size that is no number", patched(8 + 48, "1e1"), "expected digits"],
    ["a negative size", patched(8 + 48, "-4"), "expected digits"],
    ["no size", patched(8 + 48, "          "), "expected digits"],
    ["a huge size", patched(8 + 48, "9999999999"), "bytes that are left"],
    ["a mode that is not octal", patched(8 + 40, "9"), "octal digits"],
    ["a GNU name table", patched(8, "//              "), "plain member name"],
    ["a BSD long name", patched(8, "#1/20           "), "plain member name"],
  ])("refuses %s", (_what, bytes, message) => {
    expect(() => readAr(bytesSource(bytes))).toThrow(FormatError);
    expect(() => readAr(bytesSource(bytes))).toThrow(message);
  });

  it("refuses names that do not fit when encoding", () => {
    for (const name of ["", "a/b", "#1", "a".repeat(17), "é"]) {
      expect(() => encodeAr([{ name, bytes: Buffer.alloc(0) }])).toThrow("cannot pack ar member");
    }
  });

  it("gives members or a FormatError for any bytes", async () => {
    await fc.assert(
      fc.asyncProperty(mutated(deb), (bytes) => expectValueOrFormatError(() => readAr(bytesSource(bytes)))),
      { seed: 1, numRuns: 1000 },
    );
  });
});
