import { bytesSource, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EFI_GLOBAL_VARIABLE, KEY_ATTRIBUTES } from "../variables.ts";
import { dumpVariableStore } from "./dump.ts";
import { FirmwareVolumeHeader, VariableHeader, VariableStoreHeader } from "./format.ts";
import { currentVariables, readVariableStore } from "./reader.ts";
import { fixChecksum, MADE, makeVariables } from "./variable-store.fixture.ts";
import { writeVariableStore } from "./writer.ts";

const vendor = EFI_GLOBAL_VARIABLE;
const made = makeVariables([
  { name: "Lang", vendor, data: Buffer.from("eng\0") },
  { name: "Timeout", vendor, data: Buffer.from([0]), state: 0x3c },
  { name: "Timeout", vendor, data: Buffer.from([1, 0]), state: 0x3e },
  { name: "Timeout", vendor, data: Buffer.from([2, 0]) },
  { name: "BootOrder", vendor, data: Buffer.from([0, 0]), state: 0x3e },
  { name: "Half", vendor, data: Buffer.alloc(20, 9), state: 0x7f },
]);
const read = (bytes: Buffer) => readVariableStore(bytesSource(bytes));
const firstVariable = MADE.headerBytes + VariableStoreHeader.sizeBytes;

describe("readVariableStore", () => {
  it("lists variables with their states, as text that a person can check", () => {
    expect(dumpVariableStore(read(made))).toBe(
      [
        `3f added 07 ${vendor} "Lang" 4 656e6700`,
        `3c deleted 07 ${vendor} "Timeout" 1 00`,
        `3e inDeletedTransition 07 ${vendor} "Timeout" 2 0100`,
        `3f added 07 ${vendor} "Timeout" 2 0200`,
        `3e inDeletedTransition 07 ${vendor} "BootOrder" 2 0000`,
        `7f deleted 07 ${vendor} "Half" 20 sha256 2c5a0eeb650a9a68888325d2a9dca35b32c7cd0a0ad280b6e58675d3924f8116`,
        "",
      ].join("\n"),
    );
  });

  it("knows which count: those added, and those being replaced until their successor is there", () => {
    const current = currentVariables(read(made)).map(({ name, data }) => [name, data.toString("hex")]);
    expect(current).toEqual([
      ["Lang", "656e6700"],
      ["Timeout", "0200"],
      ["BootOrder", "0000"],
    ]);
  });

  it("takes of equals what firmware takes", () => {
    const of = (data: number, state?: number) => ({
      name: "PK",
      vendor,
      data: Buffer.of(data),
      ...(state && { state }),
    });
    const current = (...variables: Parameters<typeof makeVariables>[0]) =>
      currentVariables(read(makeVariables(variables))).map(({ data }) => data[0]);
    expect(current(of(1, 0x3e), of(2), of(3), of(4, 0x3e))).toEqual([2]);
    expect(current(of(1, 0x3e), of(2, 0x3e), of(3, 0x3d))).toEqual([2]);
    expect(current(of(1), { ...of(2), name: "PK\0x" })).toEqual([1, 2]);
  });

  const changed = (change: (bytes: Buffer) => Buffer | void, fix?: "checksum") => {
    const bytes = Buffer.from(made);
    const result = change(bytes) ?? bytes;
    if (fix) fixChecksum(result);
    return result;
  };
  const volume = FirmwareVolumeHeader.offsetOf.bind(FirmwareVolumeHeader);
  const store = (field: Parameters<typeof VariableStoreHeader.offsetOf>[0]) =>
    MADE.headerBytes + VariableStoreHeader.offsetOf(field);
  const variable = (field: Parameters<typeof VariableHeader.offsetOf>[0]) =>
    firstVariable + VariableHeader.offsetOf(field);

  it.each<[string, Buffer, string]>([
    ["nothing", Buffer.alloc(0), "EFI_FIRMWARE_VOLUME_HEADER at 0x0: expected 56 bytes, got 0"],
    ["no volume", changed((bytes) => bytes.fill(0, 0x28, 0x2c)), "EFI_FIRMWARE_VOLUME_HEADER.signature at 0x28"],
    ["a volume of files", changed((bytes) => bytes.fill(0, 0x10, 0x20), "checksum"), "of a volume with variables"],
    [
      "a volume beyond the file",
      changed((bytes) => void bytes.writeBigUInt64LE(1n << 40n, volume("fvLength")), "checksum"),
      "fvLength at 0x20: expected at most 8292, got 1099511627776",
    ],
    [
      "an odd header",
      changed((bytes) => void bytes.writeUInt16LE(73, volume("headerLength")), "checksum"),
      "headerLength at 0x30",
    ],
    [
      "a header as large as the volume",
      changed((bytes) => void bytes.writeUInt16LE(0xfffe, volume("headerLength")), "checksum"),
      "headerLength at 0x30: expected an even number up to 4096, got 65534",
    ],
    ["a header with a flipped bit", changed((bytes) => void bytes.writeUInt8(3, volume("revision"))), "checksum at 0x"],
    ["a cut store", made.subarray(0, MADE.volumeBytes - 1), "fvLength at 0x20"],
    [
      "a store without times",
      changed((bytes) => void bytes.set(Buffer.from("1636cfdd7532644198b6fe85707ffe7d", "hex"), MADE.headerBytes)),
      "got ddcf3616-3275-4164-98b6-fe85707ffe7d",
    ],
    ["a store in another format", changed((bytes) => void bytes.writeUInt8(0xff, store("format"))), "format at 0x5c"],
    ["a store being reclaimed", changed((bytes) => void bytes.writeUInt8(0xff, store("state"))), "state at 0x5d"],
    [
      "a store beyond the volume",
      changed((bytes) => void bytes.writeUInt32LE(MADE.volumeBytes - MADE.headerBytes + 1, store("size"))),
      "size at 0x58: expected 28..8120, got 8121",
    ],
    ["a store without its header", changed((bytes) => void bytes.writeUInt32LE(27, store("size"))), "size at 0x58"],
    [
      "a name beyond the store",
      changed((bytes) => void bytes.writeUInt32LE(0xffff_fffe, variable("nameSize"))),
      "AUTHENTICATED_VARIABLE_HEADER.nameSize at 0x88",
    ],
    ["half a character", changed((bytes) => void bytes.writeUInt32LE(9, variable("nameSize"))), "even number"],
    [
      "data beyond the store",
      changed((bytes) => void bytes.writeUInt32LE(0xffff_fff0, variable("dataSize"))),
      "AUTHENTICATED_VARIABLE_HEADER.dataSize at 0x8c",
    ],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => read(bytes)).toThrow(FormatError);
    expect(() => read(bytes)).toThrow(message);
  });

  it("reads or refuses, whatever the bytes", () => {
    const mutation = fc.tuple(fc.nat(firstVariable + 500), fc.nat(255));
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 6 }), fc.nat(made.length), (mutations, cut) => {
        const bytes = Buffer.from(made.subarray(0, cut % 4 === 0 ? cut : made.length));
        for (const [offset, value] of mutations) if (offset < bytes.length) bytes[offset] = value;
        if (bytes.length > MADE.headerBytes && cut % 2 === 0) fixChecksum(bytes);
        try {
          dumpVariableStore({ variables: currentVariables(read(bytes)) });
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1, numRuns: 3000 },
    );
  });
});

describe("writeVariableStore", () => {
  const pk = { name: "PK", vendor, attributes: KEY_ATTRIBUTES, data: Buffer.alloc(5, 7) };

  it("adds, replaces, keeps what counts, and leaves all else of the file alone", () => {
    const timeout = { name: "Timeout", vendor, attributes: 7, data: Buffer.from([3, 0]) };
    const timestamp = new Date("2020-01-02T03:04:05Z");
    const written = writeVariableStore(bytesSource(made), [timeout, { ...pk, timestamp }]);
    const variables = read(written).variables;
    expect(dumpVariableStore({ variables })).toBe(
      [
        `3f added 07 ${vendor} "Lang" 4 656e6700`,
        `3f added 07 ${vendor} "BootOrder" 2 0000`,
        `3f added 07 ${vendor} "Timeout" 2 0300`,
        `3f added 27 ${vendor} "PK" 5 0707070707`,
        "",
      ].join("\n"),
    );
    expect(variables.map(({ timeStamp }) => timeStamp.toString("hex"))).toEqual([
      ...Array.from({ length: 3 }, () => "00".repeat(16)),
      "e4070102030405000000000000000000",
    ]);
    const outside = (bytes: Buffer) =>
      Buffer.concat([bytes.subarray(0, firstVariable), bytes.subarray(MADE.headerBytes + MADE.storeBytes)]);
    expect(outside(written).equals(outside(made))).toBe(true);
    expect(writeVariableStore(bytesSource(written), []).equals(written)).toBe(true);
  });

  it("refuses what the store has no room for", () => {
    const large = { ...pk, data: Buffer.alloc(MADE.storeBytes) };
    expect(() => writeVariableStore(bytesSource(made), [large])).toThrow(
      expect.objectContaining({
        code: "secure-boot",
        message: expect.stringMatching(
          /^cannot write variable store: expected at most 4068 bytes of variables, got \d+$/,
        ),
      }) as Error,
    );
  });
});
