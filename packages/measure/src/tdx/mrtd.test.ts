import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { FormatError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { makeTdvf } from "../firmware/tdvf.fixture.ts";
import { predictGceMrtdWithTdHob } from "./gce-mrtd.ts";
import { predictMrtd } from "./mrtd.ts";

const vectors = join(import.meta.dirname, "../../../../../shared/vectors");
const has = existsSync(vectors);
const readJson = (name: string) => JSON.parse(readFileSync(join(vectors, "tdx-mrtd", name), "utf8"));

const sha384 = (...parts: Uint8Array[]) => {
  const hash = createHash("sha384");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

/** A record of what a leaf of the TDX module hashes, written down by hand. */
function leaf(name: string, address: bigint): Buffer {
  const bytes = Buffer.alloc(128);
  bytes.set(Buffer.from(name));
  bytes.writeBigUInt64LE(address, 16);
  return bytes;
}

describe("predictMrtd", () => {
  const content = Buffer.from(Array.from({ length: 0x3000 }, (_, index) => index % 251));
  const extended = (address: bigint, bytes: Buffer) =>
    Array.from({ length: 16 }, (_, chunk) => [
      leaf("MR.EXTEND", address + BigInt(chunk * 256)),
      bytes.subarray(chunk * 256, chunk * 256 + 256),
    ]).flat();

  it("adds and extends page by page, or all pages and then all bytes", () => {
    const firmware = makeTdvf([
      {
        dataOffset: 0,
        rawDataSizeBytes: 0x2000,
        memoryAddress: 0x10000,
        memoryDataSizeBytes: 0x2000,
        type: 0,
        attributes: 1,
      },
    ]);
    const [first, second] = [content.subarray(0, 0x1000), content.subarray(0x1000, 0x2000)];
    expect(predictMrtd(firmware, { passes: "single" }).mrtd).toBe(
      sha384(
        leaf("MEM.PAGE.ADD", 0x10000n),
        ...extended(0x10000n, first),
        leaf("MEM.PAGE.ADD", 0x11000n),
        ...extended(0x11000n, second),
      ),
    );
    expect(predictMrtd(firmware, { passes: "two" }).mrtd).toBe(
      sha384(
        leaf("MEM.PAGE.ADD", 0x10000n),
        leaf("MEM.PAGE.ADD", 0x11000n),
        ...extended(0x10000n, first),
        ...extended(0x11000n, second),
      ),
    );
  });

  it("takes zeros beyond the file's bytes, addresses alone of what is only added, nothing of what the guest accepts", () => {
    const firmware = makeTdvf(
      [
        {
          dataOffset: 0,
          rawDataSizeBytes: 0x180,
          memoryAddress: 2 ** 33,
          memoryDataSizeBytes: 0x1000,
          type: 5,
          attributes: 1,
        },
        { memoryAddress: 0x1000, memoryDataSizeBytes: 0x1000, type: 3 },
        { memoryAddress: 0, memoryDataSizeBytes: 2 ** 41, type: 4, attributes: 2 },
      ],
      { form: "td-shim" },
    );
    const page = Buffer.concat([content.subarray(0, 0x180), Buffer.alloc(0x1000 - 0x180)]);
    const { mrtd, events } = predictMrtd(firmware, { passes: "single" });
    expect(mrtd).toBe(
      sha384(leaf("MEM.PAGE.ADD", 2n ** 33n), ...extended(2n ** 33n, page), leaf("MEM.PAGE.ADD", 0x1000n)),
    );
    expect(events.map(({ register, label, digests }) => [register, label, digests.sha384])).toEqual([
      ["mrtd", "Payload, 1 pages at 0x200000000", sha384(page)],
      ["mrtd", "TempMem, 1 pages at 0x1000: addresses only", undefined],
      ["mrtd", "PermMem, 536870912 pages at 0x0: not measured", undefined],
    ]);
  });

  it("refuses firmware that is not for TDX", () => {
    expect(() => predictMrtd(Buffer.alloc(1 << 16), { passes: "single" })).toThrow(FormatError);
  });
});

const firmwareNames = has ? readdirSync(join(vectors, "firmware")).map((name) => name.replace(/\.gz$/, "")) : [];
const readFirmware = (name: string) => gunzipSync(readFileSync(join(vectors, "firmware", `${name}.gz`)));

describe.skipIf(!has)("predictMrtd and Google's verifier", () => {
  it("has firmware of three releases", () => expect(firmwareNames).toHaveLength(3));

  it.each(firmwareNames)("agree on %s", (name) => {
    const expected = readJson("expected-python.json").mrtd[name];
    const google = readJson("expected-google-gce-tcb-verifier.json")[name];
    const firmware = readFirmware(name);
    expect(predictMrtd(firmware, { passes: "single" }).mrtd).toBe(google.mrtd_default);
    expect(predictMrtd(firmware, { passes: "single" }).mrtd).toBe(expected.single_pass);
    expect(predictMrtd(firmware, { passes: "two" }).mrtd).toBe(expected.two_pass);
  });

  it.each(firmwareNames)("agree on %s by machine, where all sections are measured", (name) => {
    const google = readJson("expected-google-gce-tcb-verifier.json")[name] as Record<string, string>;
    const machines = { "4": 16, "8": 32, "22": 88, "44": 176, "88": 352, "176": 704 };
    const predicted = Object.entries(machines).map(([processors, gib]) => [
      `mrtd_tdhobbug_c3-standard-${processors}`,
      predictGceMrtdWithTdHob(readFirmware(name), { memoryBytes: gib * 2 ** 30 }).mrtd,
    ]);
    const expected = Object.entries(google).filter(([key]) => key.startsWith("mrtd_tdhobbug"));
    expect(Object.fromEntries(predicted)).toEqual(Object.fromEntries(expected));
  });
});
