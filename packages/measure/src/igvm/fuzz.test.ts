import { crc32 } from "node:zlib";
import { CvmError, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { initialVmsa } from "../sev/vmm.ts";
import { Vmsa } from "../sev/vmsa.ts";
import { dumpIgvm } from "./dump.ts";
import { makeIgvm, page, platform } from "./igvm.fixture.ts";
import { predictIgvmMrtd } from "./mrtd.ts";
import { type IgvmFile, readIgvm } from "./reader.ts";
import { predictIgvmLaunch } from "./snp-launch.ts";

/** How many damaged files each test reads; a night's run takes more. */
const CASES = Number(process.env["CVM_FUZZ_CASES"] ?? 2_000);
/** Numbers at which sizes and offsets go wrong. */
const EDGES = [0, 1, 7, 0x18, 0x1000, 0x10_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_f000, 0xffff_ffff];

const vmsa = { ...initialVmsa({ vmm: "qemu", signature: 0, sevFeatures: 1n }), cr0: 0x31n };
const FILE = makeIgvm([
  platform("SEV_SNP", 1),
  platform("TDX", 2),
  platform("VSM_ISOLATION", 4),
  { name: "GUEST_POLICY", fields: { policy: 0x3_0000n, compatibilityMask: 1 } },
  { name: "CORIM_DOCUMENT", fields: { compatibilityMask: 1, sizeBytes: 5 }, data: Buffer.from("corim") },
  { name: "REQUIRED_MEMORY", fields: { gpa: 0x40_0000n, sizeBytes: 0x1000, compatibilityMask: 3 } },
  { name: "PARAMETER_AREA", fields: { sizeBytes: 0x1000n, parameterAreaIndex: 1 } },
  page(0x1000, Buffer.alloc(4096, 1), { compatibilityMask: 3 }),
  page(0x2000, undefined, { compatibilityMask: 3, flags: 2 }),
  { name: "MADT", fields: { parameterAreaIndex: 1 } },
  { name: "PARAMETER_INSERT", fields: { gpa: 0x6000n, compatibilityMask: 3, parameterAreaIndex: 1 } },
  { name: "SNP_ID_BLOCK", fields: { compatibilityMask: 1 } },
  { name: "VP_CONTEXT", fields: { gpa: 0xffff_ffff_f000n, compatibilityMask: 1 }, data: Vmsa.encode(vmsa) },
  { name: "VP_CONTEXT", fields: { compatibilityMask: 4 }, data: Buffer.alloc(4) },
]);
const HEADER_END = FILE.readUInt32LE(8) + FILE.readUInt32LE(12);

/** Changes of a file's bytes; most of the headers, with the checksum put right, or nothing behind it were reached. */
const damaged: fc.Arbitrary<Buffer> = fc
  .record({
    words: fc.array(
      fc.tuple(
        fc.nat(HEADER_END / 4 - 1),
        fc.oneof(fc.constantFrom(...EDGES), fc.nat(0xffff), fc.nat(FILE.length + 8)),
      ),
      { maxLength: 3 },
    ),
    bytes: fc.array(fc.tuple(fc.nat(HEADER_END - 1), fc.nat(255)), { maxLength: 2 }),
    end: fc.oneof({ weight: 5, arbitrary: fc.constant(FILE.length) }, fc.nat(FILE.length)),
    repair: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.constant(false)),
  })
  .map(({ words, bytes, end, repair }) => {
    const file = Buffer.from(FILE);
    for (const [index, value] of words) file.writeUInt32LE(value, index * 4);
    for (const [offset, value] of bytes) file[offset] = value;
    return repair ? repaired(file.subarray(0, end)) : file.subarray(0, end);
  });

/** The file with its own size and checksum. */
function repaired(file: Buffer): Buffer {
  if (file.length < 32) return file;
  file.writeUInt32LE(file.length, 16);
  file.writeUInt32LE(0, 20);
  const fixedBytes = file.readUInt32LE(4) === 2 ? 32 : 24;
  const start = file.readUInt32LE(8);
  const headers = file.subarray(start, start + file.readUInt32LE(12));
  file.writeUInt32LE(crc32(headers, crc32(file.subarray(0, fixedBytes))), 20);
  return file;
}

describe("mutated IGVM files", () => {
  it(
    "give what is in them, or a FormatError; their launches a digest, or an error that says why not",
    { timeout: 30_000 + CASES * 10 },
    () => {
      const refused = new Set<string>();
      let read = 0;
      const property = fc.property(damaged, (file) => {
        let igvm: IgvmFile;
        try {
          igvm = readIgvm(file);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
          const { record, field } = error as FormatError;
          refused.add(`${record}.${field}`);
          return;
        }
        read++;
        expect(dumpIgvm(igvm)).toMatch(/^IGVM /);
        for (const predict of [
          () => predictIgvmLaunch(igvm, { loader: "qemu" }).launchDigest,
          () => predictIgvmLaunch(igvm, { loader: "vanadium" }).launchDigest,
          () => predictIgvmMrtd(igvm).mrtd,
        ]) {
          try {
            expect(predict()).toMatch(/^[0-9a-f]{96}$/);
          } catch (error) {
            expect(error).toBeInstanceOf(CvmError);
            expect((error as CvmError).code).toBe("igvm-launch");
          }
        }
      });
      fc.assert(property, { seed: 1, numRuns: CASES });
      // Mutations reach the checks, and some leave a file whole, or the fuzzing proves little.
      expect(read).toBeGreaterThan(CASES / 100);
      expect([...refused]).toEqual(
        expect.arrayContaining([
          "IGVM_FIXED_HEADER.checksum",
          "IGVM_FIXED_HEADER.variableHeaderSizeBytes",
          "IGVM_VHS_VARIABLE_HEADER.type",
          "IGVM_VHS_VARIABLE_HEADER.sizeBytes",
          "IGVM_VHS_SUPPORTED_PLATFORM.compatibilityMask",
          "IGVM_VHS_PAGE_DATA.gpa",
          "IGVM_VHS_PAGE_DATA.dataType",
          "IGVM_VHS_PARAMETER_AREA.sizeBytes",
          "IGVM file data.undefined",
        ]),
      );
    },
  );
});
