import { bytesSource, type ByteSource, FormatError, type FormatErrorPlace } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { inspectUki } from "../inspect.ts";
import { readUki } from "../uki.ts";
import { authenticodeDigests } from "./authenticode.ts";
import {
  CoffHeader,
  DataDirectory,
  OptionalHeader32,
  OptionalHeader64,
  SECURITY_DIRECTORY,
  SectionHeader,
} from "./format.ts";
import { makePe, makeStub } from "./pe.fixture.ts";
import { readPe } from "./reader.ts";

// Where the records of a made image stand.
const COFF = 0x40;
const OPTIONAL = COFF + CoffHeader.sizeBytes;
const DIRECTORIES = OPTIONAL + OptionalHeader64.sizeBytes;
const TABLE = DIRECTORIES + 16 * DataDirectory.sizeBytes;
const SECURITY = DIRECTORIES + SECURITY_DIRECTORY * DataDirectory.sizeBytes;
const SECOND = TABLE + SectionHeader.sizeBytes;
const SIZE = 2048;

/** What is done to an image of two sections of 512 bytes, at 1024 and 1536. */
interface Damage {
  peOffset?: number;
  coff?: Partial<CoffHeader>;
  optional?: Partial<OptionalHeader64>;
  /** The security directory. */
  security?: Partial<DataDirectory>;
  first?: Partial<SectionHeader>;
  second?: Partial<SectionHeader>;
  sizeBytes?: number;
}

function damaged(damage: Damage): Buffer {
  const bytes = makePe({
    sections: [
      { name: ".text", content: "code" },
      { name: ".data", content: "data" },
    ],
  });
  expect(bytes).toHaveLength(SIZE);
  if (damage.peOffset !== undefined) bytes.writeUInt32LE(damage.peOffset, 0x3c);
  CoffHeader.encode({ ...CoffHeader.decode(bytes, COFF), ...damage.coff }).copy(bytes, COFF);
  OptionalHeader64.encode({ ...OptionalHeader64.decode(bytes, OPTIONAL), ...damage.optional }).copy(bytes, OPTIONAL);
  DataDirectory.encode({ ...DataDirectory.decode(bytes, SECURITY), ...damage.security }).copy(bytes, SECURITY);
  SectionHeader.encode({ ...SectionHeader.decode(bytes, TABLE), ...damage.first }).copy(bytes, TABLE);
  SectionHeader.encode({ ...SectionHeader.decode(bytes, SECOND), ...damage.second }).copy(bytes, SECOND);
  return bytes.subarray(0, damage.sizeBytes);
}

const optionalAt = (field: string): FormatErrorPlace => ({ record: "OptionalHeader", field, offsetBytes: OPTIONAL });
const sectionAt = (field: string, offsetBytes: number): FormatErrorPlace => ({
  record: "SectionHeader",
  field,
  offsetBytes,
});
const securityPlace: FormatErrorPlace = { record: "DataDirectory", field: "security", offsetBytes: DIRECTORIES };

/** What no firmware loads. */
const UNLOADABLE: readonly [string, Buffer, FormatErrorPlace][] = [
  ["nothing", Buffer.alloc(0), { record: "DosHeader", offsetBytes: 0 }],
  ["half a DOS header", damaged({ sizeBytes: 63 }), { record: "DosHeader", offsetBytes: 0 }],
  ["no MZ", Buffer.alloc(SIZE), { record: "DosHeader", field: "magic", offsetBytes: 0 }],
  ["an ELF file", Buffer.from("\x7fELF".padEnd(SIZE)), { record: "DosHeader", field: "magic", offsetBytes: 0 }],
  ["a PE offset at 4 GiB", damaged({ peOffset: 0xffff_ffff }), { record: "CoffHeader", offsetBytes: 0xffff_ffff }],
  ["a PE offset at the end", damaged({ peOffset: SIZE }), { record: "CoffHeader", offsetBytes: SIZE }],
  ["a cut COFF header", damaged({ peOffset: SIZE - 23 }), { record: "CoffHeader", offsetBytes: SIZE - 23 }],
  [
    "a PE offset to something else",
    damaged({ peOffset: 0x48 }),
    { record: "CoffHeader", field: "signature", offsetBytes: 0x48 },
  ],
  [
    "65535 sections",
    damaged({ coff: { numberOfSections: 0xffff } }),
    { record: "CoffHeader", field: "numberOfSections", offsetBytes: COFF + 6 },
  ],
  [
    "more sections than the file has room for",
    damaged({ coff: { numberOfSections: 2000 } }),
    { record: "SectionHeader", offsetBytes: TABLE },
  ],
  [
    "sections whose headers run into the first",
    damaged({ coff: { numberOfSections: 18 } }),
    sectionAt("sizeOfRawData", 1008),
  ],
  ["no optional header", damaged({ coff: { sizeOfOptionalHeader: 0 } }), optionalAt("magic")],
  [
    "half an optional header",
    damaged({ coff: { sizeOfOptionalHeader: 64 } }),
    { record: "OptionalHeader64", offsetBytes: 0 },
  ],
  [
    "an optional header beyond the file",
    damaged({ coff: { sizeOfOptionalHeader: 0xffff } }),
    { record: "OptionalHeader", offsetBytes: OPTIONAL },
  ],
  ["a ROM image", damaged({ optional: { magic: 0x107 } }), optionalAt("magic")],
  ["17 data directories", damaged({ optional: { numberOfRvaAndSizes: 17 } }), optionalAt("numberOfRvaAndSizes")],
  [
    "4 G data directories",
    damaged({ optional: { numberOfRvaAndSizes: 0xffff_ffff } }),
    optionalAt("numberOfRvaAndSizes"),
  ],
  [
    "fewer data directories than the header says",
    damaged({ optional: { numberOfRvaAndSizes: 15 } }),
    optionalAt("numberOfRvaAndSizes"),
  ],
  [
    "a header that ends within a data directory",
    damaged({ coff: { sizeOfOptionalHeader: 239 } }),
    optionalAt("numberOfRvaAndSizes"),
  ],
  [
    "headers that are larger than the file",
    damaged({ optional: { sizeOfHeaders: 1 << 30 } }),
    optionalAt("sizeOfHeaders"),
  ],
  ["headers that leave the headers out", damaged({ optional: { sizeOfHeaders: 100 } }), optionalAt("sizeOfHeaders")],
  [
    "headers that end within the section table",
    damaged({ optional: { sizeOfHeaders: SECOND } }),
    optionalAt("sizeOfHeaders"),
  ],
  ["headers beyond the image", damaged({ optional: { sizeOfImage: 512 } }), optionalAt("sizeOfHeaders")],
  ["an alignment of zero", damaged({ optional: { sectionAlignment: 0 } }), optionalAt("sectionAlignment")],
  ["an alignment of 4097", damaged({ optional: { sectionAlignment: 4097 } }), optionalAt("sectionAlignment")],
  ["a file alignment of zero", damaged({ optional: { fileAlignment: 0 } }), optionalAt("fileAlignment")],
  ["signatures of 4 GiB", damaged({ security: { virtualAddress: 1536, sizeBytes: 0xffff_ffff } }), securityPlace],
  ["signatures beyond the file", damaged({ security: { virtualAddress: SIZE - 8, sizeBytes: 16 } }), securityPlace],
  ["signatures at 4 GiB", damaged({ security: { virtualAddress: 0xffff_fff8, sizeBytes: 8 } }), securityPlace],
  ["signatures in the headers", damaged({ security: { virtualAddress: 8, sizeBytes: 8 } }), securityPlace],
  ["a section of 4 GiB", damaged({ first: { sizeOfRawData: 0xffff_ffff } }), sectionAt("sizeOfRawData", TABLE)],
  ["a section at 4 GiB", damaged({ second: { pointerToRawData: 0xffff_fe00 } }), sectionAt("sizeOfRawData", SECOND)],
  ["a section that is cut", damaged({ sizeBytes: SIZE - 1 }), sectionAt("sizeOfRawData", SECOND)],
  [
    "a section beyond the image in memory",
    damaged({ second: { virtualAddress: 0x3000 } }),
    sectionAt("virtualAddress", SECOND),
  ],
  [
    "a section that leaves the image in memory",
    damaged({ second: { virtualSizeBytes: 0x1001 } }),
    sectionAt("virtualAddress", SECOND),
  ],
  [
    "a section that wraps around 4 GiB",
    damaged({ second: { virtualAddress: 0xffff_f000, virtualSizeBytes: 0x2000 } }),
    sectionAt("virtualAddress", SECOND),
  ],
];

/** What firmware loads, but two readers may read differently: none of it becomes part of a UKI. */
const AMBIGUOUS: readonly [string, Buffer, FormatErrorPlace][] = [
  ["sections that share bytes", damaged({ second: { pointerToRawData: 1024 } }), sectionAt("pointerToRawData", SECOND)],
  [
    "a section within another",
    damaged({ first: { sizeOfRawData: 1024 }, second: { pointerToRawData: 1200, sizeOfRawData: 8 } }),
    sectionAt("pointerToRawData", SECOND),
  ],
  ["a section in the headers", damaged({ first: { pointerToRawData: 512 } }), sectionAt("pointerToRawData", TABLE)],
];

const digest = (source: ByteSource) => authenticodeDigests(source, ["sha256"]);

describe("malformed images", () => {
  it.each(UNLOADABLE)("with %s are refused by every reader", (_, bytes, place) => {
    const places = [readPe, readUki, inspectUki, digest].map((read) => refusalOf(read, bytes));
    for (const found of places) expect(found).toEqual({ field: undefined, ...place });
  });

  it.each(AMBIGUOUS)("with %s are refused, though their digest can be told", (_, bytes, place) => {
    for (const read of [readPe, readUki, inspectUki]) expect(refusalOf(read, bytes)).toEqual(place);
    expect(digest(bytesSource(bytes)).sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it("are refused as 32-bit images too", () => {
    const bytes = damaged({ optional: { magic: 0x10b } });
    expect(refusalOf(readPe, bytes)).toMatchObject({ field: "numberOfRvaAndSizes" });
    expect(OptionalHeader32.offsetOf("sizeOfHeaders")).toBe(OptionalHeader64.offsetOf("sizeOfHeaders"));
  });

  it("that claim gigabytes of zeros, in one section or in many, are refused", () => {
    const bomb = (virtualSizeBytes: number, count: number) =>
      makeStub("257", {
        headerBytes: 16384,
        optional: { sizeOfImage: 0xffff_f000 },
        sections: Array.from({ length: count }, (__, index) => ({
          name: index % 2 === 0 ? ".profile" : ".initrd",
          content: "x",
          virtualSizeBytes,
          virtualAddress: 0x1_0000,
        })),
      });
    for (const bytes of [bomb(0xf000_0000, 1), bomb(1 << 24, 300)]) {
      expect(() => readUki(bytesSource(bytes))).toThrow(FormatError);
      expect(refusalOf(readUki, bytes)).toMatchObject({ record: "SectionHeader", field: "virtualSizeBytes" });
    }
    expect(readUki(bytesSource(bomb(1 << 20, 4))).profiles).toHaveLength(2);
  });

  it("with a name twice are read as systemd-stub does: the first counts", () => {
    const bytes = makeStub("257", {
      sections: [
        { name: ".cmdline", content: "first" },
        { name: ".cmdline", content: "second" },
      ],
    });
    expect(inspectUki(bytesSource(bytes))).toMatchObject({ cmdline: "first" });
    expect(inspectUki(bytesSource(bytes)).sections.filter(({ name }) => name === ".cmdline")).toHaveLength(2);
  });
});

function refusalOf(read: (source: ByteSource) => unknown, bytes: Buffer): FormatErrorPlace {
  try {
    read(bytesSource(bytes));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const { record, field, offsetBytes } = error;
    return { record, field, offsetBytes } as FormatErrorPlace;
  }
  throw new Error(`expected a refusal by ${read.name}`);
}
