import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { CvmError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { readEventLog } from "../eventlog/reader.ts";
import { readTdvfMetadata, sectionBytes, type TdvfMetadata, type TdvfSection } from "../firmware/tdvf-metadata.ts";
import { encodeGceTdHob, encodeTdHob } from "./td-hob.ts";

const vectors = join(import.meta.dirname, "../../../../../shared/vectors");
const MIB = 2 ** 20;

const section = (type: TdvfSection["type"], memoryAddress: number, memoryDataSizeBytes: number): TdvfSection => ({
  type,
  dataOffset: 0,
  rawDataSizeBytes: 0,
  memoryAddress,
  memoryDataSizeBytes,
  isExtended: false,
  isAugmented: false,
});

/** Reads what is described: type, attributes, start and length of each stretch. */
function described(hob: Buffer): [type: number, attributes: number, start: bigint, length: bigint][] {
  return Array.from({ length: (hob.length - 56) / 48 }, (_, index) => {
    const at = 56 + index * 48;
    return [
      hob.readUInt32LE(at + 24),
      hob.readUInt32LE(at + 28),
      hob.readBigUInt64LE(at + 32),
      hob.readBigUInt64LE(at + 40),
    ];
  });
}

describe("encodeTdHob", () => {
  const metadata: TdvfMetadata = {
    sections: [
      section("BFV", 0xfff0_0000, 0x10_0000),
      section("TempMem", 0x81_0000, 0x1000),
      section("TD_HOB", 0x80_9000, 0x2000),
      section("TempMem", 0x80_b000, 0x1000),
    ],
  };

  it("lists unaccepted memory and what the VMM has added, by address, adjacent stretches apart", () => {
    const hob = encodeTdHob(metadata, { memoryBytes: 16 * MIB });
    expect(hob.subarray(0, 8).toString("hex")).toBe("0100380000000000");
    expect(hob.readBigUInt64LE(48)).toBe(BigInt(0x80_9000 + hob.length + 8));
    expect(described(hob)).toEqual([
      [7, 7, 0n, 0x80_9000n],
      [0, 7, 0x80_9000n, 0x2000n],
      [0, 7, 0x80_b000n, 0x1000n],
      [7, 7, 0x80_c000n, 0x4000n],
      [0, 7, 0x81_0000n, 0x1000n],
      [7, 7, 0x81_1000n, 0x7e_f000n],
    ]);
  });

  it.each([
    [2815, [[0n, 2815n]]],
    [
      2816,
      [
        [0n, 2048n],
        [4096n, 768n],
      ],
    ],
  ])("splits memory of %i MiB as q35 does", (mib, expected) => {
    const low = { sections: [section("TD_HOB", 0, 0x2000)] };
    const ends = described(encodeTdHob(low, { memoryBytes: mib * MIB })).map(([, , start, length]) => [
      start >> 20n,
      ((start & 0xf_ffffn) + length + 0xf_ffffn) >> 20n,
    ]);
    expect(ends.filter(([, size]) => size !== 1n)).toEqual(expected);
  });

  it.each([
    ["no section for it", { sections: [section("TempMem", 0, 0x1000)] }, 16 * MIB],
    ["a section too small for it", { sections: [section("TD_HOB", 0, 0)] }, 16 * MIB],
    ["sections beyond memory", metadata, 8 * MIB],
    ["sections that the hole for devices cuts", { sections: [section("TD_HOB", 0x7fff_f000, 0x2000)] }, 4096 * MIB],
    ["memory of part of a page", metadata, 16 * MIB + 1],
    ["no memory", metadata, 0],
    ["endless memory", metadata, Infinity],
  ])("refuses %s", (_, given, memoryBytes) => {
    expect(() => encodeTdHob(given, { memoryBytes })).toThrow(CvmError);
  });

  it("refuses for GCE what is less than its machines have", () => {
    expect(() => encodeGceTdHob(metadata, { memoryBytes: 2048 * MIB, earlyAccept: "all" })).toThrow(CvmError);
  });
});

const sha384 = (bytes: Uint8Array) => createHash("sha384").update(bytes).digest("hex");

describe.skipIf(!existsSync(vectors))("encodeTdHob on Debian's firmware", () => {
  const expected = existsSync(vectors)
    ? (JSON.parse(readFileSync(join(vectors, "tdx-mrtd/expected-python.json"), "utf8")) as {
        td_hob_sha384: Record<string, Record<string, string>>;
        cfv_sha384: Record<string, string>;
      })
    : { td_hob_sha384: {}, cfv_sha384: {} };

  it.each(Object.entries(expected.td_hob_sha384))("%s, by memory size", (name, bySize) => {
    const firmware = gunzipSync(readFileSync(join(vectors, "firmware", `${name}.gz`)));
    const metadata = readTdvfMetadata(firmware);
    const sizes = Object.keys(bySize);
    expect(sizes).toHaveLength(11);
    const predicted = sizes.map((size) => [
      size,
      sha384(encodeTdHob(metadata, { memoryBytes: Number.parseInt(size, 10) * MIB })),
    ]);
    expect(Object.fromEntries(predicted)).toEqual(bySize);
    const cfv = metadata.sections.find(({ type }) => type === "CFV");
    expect(cfv && sha384(sectionBytes(firmware, cfv))).toBe(expected.cfv_sha384[name]);
  });
});

describe.skipIf(!existsSync(vectors))("encodeGceTdHob and a real machine", () => {
  it("is what firmware with the sections of Debian 12's measured on a c3-standard-4", () => {
    const log = readEventLog(gunzipSync(readFileSync(join(vectors, "eventlogs/go-tdx-guest/ccel_data.dat.gz"))));
    const [tdHob] = log.events.filter(({ typeName }) => typeName === "EV_EFI_HANDOFF_TABLES2");
    const firmware = gunzipSync(readFileSync(join(vectors, "firmware/bookworm-ovmf-2022.11-OVMF.fd.gz")));
    const machine = { memoryBytes: 16 * 1024 * MIB, earlyAccept: "all" } as const;
    expect(sha384(encodeGceTdHob(readTdvfMetadata(firmware), machine))).toBe(tdHob?.digests.sha384);
  });
});
