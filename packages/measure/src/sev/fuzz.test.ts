import { CvmError, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeFirmware, words } from "../firmware/firmware.fixture.ts";
import { readGuidTable } from "../firmware/guid-table.ts";
import { readSevFirmware } from "../firmware/sev-metadata.ts";
import { predictSnpLaunch } from "./snp-launch.ts";

/** How many damaged firmwares each test reads; a night's run takes more. */
const CASES = Number(process.env["CVM_FUZZ_CASES"] ?? 4_000);
/** Numbers at which sizes and offsets go wrong. */
const EDGES = [0, 1, 17, 18, 0x1000, 0x10_0000, 0x7fff_ffff, 0xffff_f000, 0xffff_ffff];

const FIRMWARE = makeFirmware(
  {
    "00f771de-1a7e-4fcb-890e-68c77e2fb44e": words(0x80_b004),
    "7255371f-3a3b-4b04-927b-1da6efa8d454": words(0x81_0c00, 0x400),
  },
  {
    metadata: [
      [0x80_0000, 0x9000, 1],
      [0x80_d000, 0x1000, 2],
      [0x80_e000, 0x1000, 3],
      [0x81_0000, 0x1000, 0x10],
    ],
  },
);
/** Where the tables are. */
const TABLES = FIRMWARE.length - 320;

const damaged = fc
  .record({
    words: fc.array(
      fc.tuple(
        fc.integer({ min: TABLES, max: FIRMWARE.length - 4 }),
        fc.oneof(fc.constantFrom(...EDGES), fc.nat(4096)),
      ),
      { maxLength: 3 },
    ),
    bytes: fc.array(fc.tuple(fc.integer({ min: TABLES, max: FIRMWARE.length - 1 }), fc.nat(255)), { maxLength: 3 }),
    start: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.nat(FIRMWARE.length)),
  })
  .map(({ words: changes, bytes, start }) => {
    const firmware = Buffer.from(FIRMWARE);
    for (const [offset, value] of changes) firmware.writeUInt32LE(value, offset);
    for (const [offset, value] of bytes) firmware[offset] = value;
    return firmware.subarray(start);
  });

describe("mutated firmware", () => {
  it(
    "gives what its tables tell, or a FormatError; its launch a digest, or an error that says why not",
    { timeout: 30_000 + CASES * 10 },
    () => {
      const refused = new Set<string>();
      let launched = 0;
      const property = fc.property(damaged, (firmware) => {
        try {
          for (const data of readGuidTable(firmware).values()) expect(data.length).toBeLessThan(FIRMWARE.length);
          readSevFirmware(firmware);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
          const { record, field } = error as FormatError;
          refused.add(`${record}.${field}`);
          return;
        }
        try {
          const hashes = { kernelHashes: { kernel: FIRMWARE.toString("hex", 0, 32) as never } };
          const launch = predictSnpLaunch({ firmware, vcpus: 2, cpuModel: "EPYC-v4", ...hashes });
          expect(launch.launchDigest).toMatch(/^[0-9a-f]{96}$/);
          launched++;
        } catch (error) {
          expect(error).toBeInstanceOf(CvmError);
          expect((error as CvmError).code).toBe("sev-launch");
        }
      });
      fc.assert(property, { seed: 1, numRuns: CASES });
      // Mutations reach the checks, and some leave a firmware whole, or the fuzzing proves little.
      expect(launched).toBeGreaterThan(CASES / 100);
      expect([...refused]).toEqual(
        expect.arrayContaining([
          "GuidTableEntry.sizeBytes",
          "OvmfSevMetadata.signature",
          "OvmfSevMetadata.version",
          "OvmfSevMetadata.itemCount",
          "OvmfSevMetadataDesc.gpa",
          "OvmfSevMetadataDesc.sizeBytes",
        ]),
      );
    },
  );
});
