import { FormatError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { dumpIgvm } from "./dump.ts";
import { makeIgvm, page, platform } from "./igvm.fixture.ts";
import { platformsOf, readIgvm } from "./reader.ts";

const SNP = platform("SEV_SNP", 1);
const DATA = Buffer.alloc(4096, 0xda);

describe("an IGVM file", () => {
  it("is read whole, whatever headers it has", () => {
    const registers = Buffer.alloc(4 + 2 * 32);
    registers.writeUInt32LE(2);
    const file = makeIgvm([
      { ...SNP, fields: { ...SNP.fields, highestVtl: 2, sharedGpaBoundary: 1n << 46n } },
      platform("VSM_ISOLATION", 2),
      platform("TDX", 4),
      { name: "GUEST_POLICY", fields: { policy: 0x3_0000n, compatibilityMask: 1 } },
      { name: "RELOCATABLE_REGION", fields: { compatibilityMask: 2, relocationRegionSizeBytes: 0x20_0000n } },
      { name: "PAGE_TABLE_RELOCATION_REGION", fields: { compatibilityMask: 2, gpa: 0x1000n } },
      { name: "CCA_POLICY", fields: { compatibilityMask: 8 } },
      { name: "CORIM_DOCUMENT", fields: { compatibilityMask: 1, sizeBytes: 5 }, data: Buffer.from("corim") },
      { name: "CORIM_SIGNATURE", fields: { compatibilityMask: 1, sizeBytes: 3 }, data: Buffer.from("sig") },
      { name: "REQUIRED_MEMORY", fields: { gpa: 0x40_0000n, sizeBytes: 0x10_0000, compatibilityMask: 7 } },
      page(0x1000, DATA),
      page(0x2000, DATA),
      page(0x3000),
      page(0x20_0000, undefined, { flags: 1 }),
      page(0x4000, undefined, { flags: 2, compatibilityMask: 5 }),
      page(0x5000, undefined, { dataType: 2 }),
      { name: "PARAMETER_AREA", fields: { sizeBytes: 0x2000n, parameterAreaIndex: 1 } },
      { name: "PARAMETER_AREA", fields: { sizeBytes: 0x1000n, parameterAreaIndex: 2 }, data: DATA },
      ...["VP_COUNT_PARAMETER", "SRAT", "MADT", "MMIO_RANGES", "MEMORY_MAP", "COMMAND_LINE", "SLIT", "PPTT"].map(
        (name) => ({ name, fields: { parameterAreaIndex: 1 } }),
      ),
      { name: "DEVICE_TREE", fields: { parameterAreaIndex: 2 } },
      { name: "ENVIRONMENT_INFO_PARAMETER", fields: { parameterAreaIndex: 1, byteOffset: 4 } },
      { name: "PARAMETER_INSERT", fields: { gpa: 0x6000n, compatibilityMask: 1, parameterAreaIndex: 1 } },
      { name: "ERROR_RANGE", fields: { gpa: 0x9000n, compatibilityMask: 1, sizeBytes: 4096 } },
      { name: "SNP_ID_BLOCK", fields: { compatibilityMask: 1, version: 1, launchDigest: Buffer.alloc(48, 0x1d) } },
      { name: "VBS_MEASUREMENT", fields: { compatibilityMask: 2, version: 1 } },
      { name: "VP_CONTEXT", fields: { gpa: 0xffff_ffff_f000n, compatibilityMask: 1 }, data: DATA },
      { name: "VP_CONTEXT", fields: { compatibilityMask: 2 }, data: registers },
      { name: "a header of tomorrow", type: 0x8000_0314, sizeBytes: 11 },
    ]);
    const igvm = readIgvm(file);
    expect(dumpIgvm(igvm)).toBe(`IGVM 1, x64
platform SEV_SNP 1, mask 0x1, VTL 2, shared from 0x400000000000
platform VSM_ISOLATION 1, mask 0x2, VTL 0
platform TDX 1, mask 0x4, VTL 0
GUEST_POLICY policy=0x30000 compatibilityMask=0x1
RELOCATABLE_REGION compatibilityMask=0x2 relocationRegionSizeBytes=0x200000
PAGE_TABLE_RELOCATION_REGION compatibilityMask=0x2 gpa=0x1000
CCA_POLICY compatibilityMask=0x8
CORIM_DOCUMENT compatibilityMask=0x1 sizeBytes=0x5 5 bytes 5063d10169757de0
CORIM_SIGNATURE compatibilityMask=0x1 sizeBytes=0x3 3 bytes a543997d84f12798
REQUIRED_MEMORY gpa=0x400000 compatibilityMask=0x7 sizeBytes=0x100000
PAGE_DATA NORMAL compatibilityMask=0x1 0x1000 x2 c0516f66c88d7981
PAGE_DATA NORMAL compatibilityMask=0x1 0x3000 x1 no data
PAGE_DATA NORMAL compatibilityMask=0x1 is2MbPage 0x200000 x1 no data
PAGE_DATA NORMAL compatibilityMask=0x5 unmeasured 0x4000 x1 no data
PAGE_DATA CPUID_DATA compatibilityMask=0x1 0x5000 x1 no data
PARAMETER_AREA sizeBytes=0x2000 parameterAreaIndex=0x1
PARAMETER_AREA sizeBytes=0x1000 parameterAreaIndex=0x2 4096 bytes aa5f10143ad7c356
VP_COUNT_PARAMETER parameterAreaIndex=0x1
SRAT parameterAreaIndex=0x1
MADT parameterAreaIndex=0x1
MMIO_RANGES parameterAreaIndex=0x1
MEMORY_MAP parameterAreaIndex=0x1
COMMAND_LINE parameterAreaIndex=0x1
SLIT parameterAreaIndex=0x1
PPTT parameterAreaIndex=0x1
DEVICE_TREE parameterAreaIndex=0x2
ENVIRONMENT_INFO_PARAMETER parameterAreaIndex=0x1 byteOffset=0x4
PARAMETER_INSERT gpa=0x6000 compatibilityMask=0x1 parameterAreaIndex=0x1
ERROR_RANGE gpa=0x9000 compatibilityMask=0x1 sizeBytes=0x1000
SNP_ID_BLOCK compatibilityMask=0x1 launchDigest=${"1d".repeat(48)} version=0x1
VBS_MEASUREMENT compatibilityMask=0x2 version=0x1
VP_CONTEXT gpa=0xfffffffff000 compatibilityMask=0x1 4096 bytes aa5f10143ad7c356
VP_CONTEXT compatibilityMask=0x2 68 bytes 9528d5ed7d3e35ca
`);
    expect(platformsOf(igvm, 5)).toEqual(["SEV_SNP", "TDX"]);
  });

  /** Written by hand from `igvm_defs` 0.4, with a checksum by Python's `zlib.crc32`. */
  it("is read from bytes that the specification has", () => {
    const page0 = "10".repeat(4096);
    const file = Buffer.from(
      [
        // magic, version 1, headers at 0x18, 0xa0 bytes, 0x10b8 bytes in all, checksum
        "4947564d 01000000 18000000 a0000000 b8100000 d8f58c7b",
        // SUPPORTED_PLATFORM: mask 1, VTL 2, SEV_SNP, version 1, shared from 1 << 46
        "01000000 10000000 01000000 02 02 0100 0000000000400000",
        // GUEST_POLICY: 0x30000 for mask 1
        "01010000 10000000 0000030000000000 01000000 00000000",
        // PARAMETER_AREA: 0x1000 bytes, index 7, no data
        "01030000 10000000 0010000000000000 07000000 00000000",
        // PAGE_DATA: at 0x800000 for mask 1, data at 0xb8, unmeasured, CPUID_DATA
        "02030000 18000000 0000800000000000 01000000 b8000000 02000000 0200 0000",
        // PARAMETER_INSERT: at 0x900000 for mask 1, area 7
        "03030000 10000000 0000900000000000 01000000 07000000",
        // VP_CONTEXT: at 0xfffffffff000 for mask 1, data at 0xb8, vCPU 5, padded to 8
        "04030000 14000000 00f0ffffffff0000 01000000 b8000000 0500 0000 00000000",
        page0,
      ]
        .join("")
        .replaceAll(" ", ""),
      "hex",
    );
    const igvm = readIgvm(file);
    const data = Buffer.from(page0, "hex");
    expect(igvm).toEqual({
      formatVersion: 1,
      architecture: "x64",
      platforms: [
        {
          name: "SUPPORTED_PLATFORM",
          fields: {
            compatibilityMask: 1,
            highestVtl: 2,
            platformType: 2,
            platformVersion: 1,
            sharedGpaBoundary: 1n << 46n,
          },
        },
      ],
      initializations: [{ name: "GUEST_POLICY", fields: { policy: 0x3_0000n, compatibilityMask: 1, reserved: 0 } }],
      directives: [
        { name: "PARAMETER_AREA", fields: { sizeBytes: 0x1000n, parameterAreaIndex: 7, fileOffset: 0 } },
        {
          name: "PAGE_DATA",
          fields: { gpa: 0x80_0000n, compatibilityMask: 1, fileOffset: 0xb8, flags: 2, dataType: 2, reserved: 0 },
          data,
        },
        { name: "PARAMETER_INSERT", fields: { gpa: 0x90_0000n, compatibilityMask: 1, parameterAreaIndex: 7 } },
        {
          name: "VP_CONTEXT",
          fields: { gpa: 0xffff_ffff_f000n, compatibilityMask: 1, fileOffset: 0xb8, vpIndex: 5, reserved: 0 },
          data,
        },
      ],
    });
  });

  it("of version 2 says for which architecture it is", () => {
    const headers = [platform("CCA", 1), page(0x1000, DATA)];
    expect(readIgvm(makeIgvm(headers, { formatVersion: 2, architecture: 1 }))).toMatchObject({
      formatVersion: 2,
      architecture: "aarch64",
      directives: [{ name: "PAGE_DATA", data: DATA }],
    });
    expect(() => readIgvm(makeIgvm(headers, { formatVersion: 2, architecture: 2 }))).toThrow("architecture");
  });

  it.each([
    ["another magic", makeIgvm([SNP], { spoil: { magic: Buffer.from("IGWM") } }), "magic"],
    ["version 3", makeIgvm([SNP], { spoil: { formatVersion: 3 } }), "formatVersion"],
    ["a size that is not the file's", makeIgvm([SNP], { spoil: { totalFileSizeBytes: 9 } }), "totalFileSizeBytes"],
    ["headers inside its own", makeIgvm([SNP], { spoil: { variableHeaderOffset: 16 } }), "variableHeaderOffset"],
    ["headers beyond its end", makeIgvm([SNP], { spoil: { variableHeaderOffset: 4096 } }), "variableHeaderOffset"],
    ["more headers than bytes", makeIgvm([SNP], { spoil: { variableHeaderSizeBytes: 99 } }), "variableHeaderSizeBytes"],
    ["another checksum", makeIgvm([SNP], { spoil: { checksum: 1 } }), "checksum"],
    ["a header that leaves its section", makeIgvm([{ ...SNP, sizeBytes: 400 }].map((h) => ({ ...h }))), "sizeBytes"],
    ["a header of another size", makeIgvm([{ name: "", type: 0x301, sizeBytes: 8 }]), "sizeBytes"],
    ["an unknown header", makeIgvm([{ name: "", type: 0x3ff }]), "type"],
    ["a header of no section", makeIgvm([{ name: "", type: 0x250 }]), "type"],
    ["a platform after directives", makeIgvm([page(0, DATA), SNP]), "type"],
    ["a platform twice", makeIgvm([SNP, platform("SEV_SNP", 2)]), "platformType"],
    ["an unknown platform", makeIgvm([{ ...SNP, fields: { platformType: 99, compatibilityMask: 1 } }]), "platformType"],
    ["a mask of another platform", makeIgvm([SNP, platform("TDX", 1)]), "compatibilityMask"],
    ["a platform without a mask", makeIgvm([platform("TDX", 0)]), "compatibilityMask"],
    ["a page that begins inside one", makeIgvm([SNP, page(0x10)]), "gpa"],
    ["a large page that begins inside one", makeIgvm([SNP, page(0x1000, undefined, { flags: 1 })]), "gpa"],
    ["a page of an unknown type", makeIgvm([SNP, page(0, undefined, { dataType: 4 })]), "dataType"],
    ["data in the headers", makeIgvm([SNP, page(0, undefined, { fileOffset: 24 })]), "data"],
    ["data beyond the end", makeIgvm([SNP, page(0, Buffer.alloc(4095))]), "data"],
    ["half a page of parameters", makeIgvm([{ name: "PARAMETER_AREA", fields: { sizeBytes: 8n } }]), "sizeBytes"],
    [
      "more parameters than memory",
      makeIgvm([{ name: "PARAMETER_AREA", fields: { sizeBytes: 0xffff_ffff_ffff_f000n } }]),
      "sizeBytes",
    ],
    [
      "parameters put into the guest again and again",
      makeIgvm([
        { name: "PARAMETER_AREA", fields: { sizeBytes: 0x4000_0000n } },
        ...[1, 2].map(() => ({ name: "PARAMETER_INSERT", fields: { compatibilityMask: 1 } })),
      ]),
      "pages in all",
    ],
    [
      "a context with more registers than bytes",
      makeIgvm([
        platform("VSM_ISOLATION", 1),
        { name: "VP_CONTEXT", fields: { compatibilityMask: 1 }, data: Buffer.alloc(64, 0xff) },
      ]),
      "data",
    ],
  ])("is refused where it has %s", (_, file, reason) => {
    expect(() => readIgvm(file)).toThrow(FormatError);
    expect(() => readIgvm(file)).toThrow(reason);
  });
});
