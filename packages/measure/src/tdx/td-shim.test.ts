import { createHash } from "node:crypto";
import { CvmError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { type MadeSection, makeTdvf } from "../firmware/tdvf.fixture.ts";
import { predictMrtd } from "./mrtd.ts";
import { predictTdShim } from "./td-shim.ts";

const sha384 = (data: string | Uint8Array) => createHash("sha384").update(data).digest("hex");
/** Extends by hand, so that the test does not lean on what it tests. */
const fold = (digests: string[]) =>
  digests.reduce((value, digest) => sha384(Buffer.from(value + digest, "hex")), "00".repeat(48));

const BFV: MadeSection = {
  dataOffset: 0x1000,
  rawDataSizeBytes: 0x2000,
  memoryAddress: 0xffff_e000,
  memoryDataSizeBytes: 0x2000,
  type: 0,
  attributes: 1,
};
const CFV: MadeSection = { rawDataSizeBytes: 0x1000, memoryAddress: 0xff00_0000, memoryDataSizeBytes: 0x1000, type: 1 };
const TD_HOB: MadeSection = { memoryAddress: 0x82_0000, memoryDataSizeBytes: 0x2_0000, type: 2 };
const TEMP_MEM: MadeSection = { memoryAddress: 0xff04_0000, memoryDataSizeBytes: 0x1000, type: 3 };
const PERM_MEM: MadeSection = { memoryAddress: 0, memoryDataSizeBytes: 0x80_0000, type: 4, attributes: 2 };
const PAYLOAD: MadeSection = {
  dataOffset: 0x800,
  rawDataSizeBytes: 0x2000,
  memoryAddress: 0x120_0000,
  memoryDataSizeBytes: 0x2000,
  type: 5,
};
const PARAMETER: MadeSection = { memoryAddress: 0x110_0000, memoryDataSizeBytes: 0x1000, type: 6 };
const TD_INFO: MadeSection = { dataOffset: 0x1800, rawDataSizeBytes: 28, type: 7 };

const separator = sha384(Buffer.alloc(4));

describe("td-shim", () => {
  it("has the MRTD that its own tool computes", () => {
    const sections = [BFV, CFV, TD_HOB, TEMP_MEM, PERM_MEM, { ...PAYLOAD, attributes: 1 }, PARAMETER, TD_INFO];
    // td_shim_tee_info_hash.py of td-shim 125eeab58f69, run on this image.
    expect(predictMrtd(makeTdvf(sections, { form: "td-shim" }), { passes: "single" }).mrtd).toBe(
      "297f1151672d0381ee531b311b03711651767f26b1e3ed880492472274dbb5aed29288d7e5f65a15745950be2b13f587",
    );
  });

  it("measures a kernel and its command line with all of their memory", () => {
    const firmware = makeTdvf([BFV, TD_HOB, PAYLOAD, PARAMETER], { form: "td-shim" });
    const commandLine = Buffer.from("root=/dev/vda1 console=hvc0 rw");
    const payload = { kind: "linux", kernel: Buffer.from("kernel"), commandLine } as const;
    const { events, rtmr, unpredicted } = predictTdShim({ firmware, payload, tdHob: Buffer.from("hob") });
    // Of td-shim's td-payload-reference-calculator, in its README, for this command line in 4096 bytes.
    const parameter =
      "64ed1e5a47e8632f80faf428465bd987af3e8e4ceb10a5a9f387b6302e30f4993bded2331f0691c4a38ad34e4cbbc627";
    const kernel = sha384(Buffer.concat([Buffer.from("kernel"), Buffer.alloc(0x2000 - 6)]));
    expect(events.map(({ register, type, digests }) => [register, type, digests.sha384])).toEqual([
      ["rtmr0", "EV_PLATFORM_CONFIG_FLAGS", sha384("hob")],
      ["rtmr0", "EV_SEPARATOR", separator],
      ["rtmr1", "EV_SEPARATOR", separator],
      ["rtmr1", "EV_EFI_PLATFORM_FIRMWARE_BLOB2", kernel],
      ["rtmr1", "EV_PLATFORM_CONFIG_FLAGS", parameter],
    ]);
    expect(rtmr).toEqual({
      0: fold([sha384("hob"), separator]),
      1: fold([separator, kernel, parameter]),
      2: "00".repeat(48),
      3: "00".repeat(48),
    });
    expect(unpredicted).toEqual([]);
  });

  it("leaves RTMR 0 open without the VMM's list of hand-off blocks, unless it wants none", () => {
    const payload = { kind: "builtin", image: Buffer.from("image") } as const;
    const open = predictTdShim({ firmware: makeTdvf([BFV, TD_HOB, PAYLOAD]), payload });
    expect(open.unpredicted).toEqual([{ register: "rtmr0", reason: "depends on the TD HOB, which the VMM makes" }]);
    expect(Object.keys(open.rtmr)).toEqual(["1", "2", "3"]);
    expect(open.rtmr[1]).toBe(fold([sha384("image"), separator]));
    const closed = predictTdShim({ firmware: makeTdvf([BFV, PERM_MEM, PAYLOAD]), payload });
    expect(closed.unpredicted).toEqual([]);
    expect(closed.rtmr[0]).toBe(fold([separator]));
  });

  it("measures what it verifies with, and nothing twice", () => {
    const verified = { trustAnchor: Buffer.from("key hash"), svn: 3n };
    const payload = { kind: "builtin", image: Buffer.from("image"), verified } as const;
    const measuredByVmm = makeTdvf([BFV, PERM_MEM, { ...PAYLOAD, attributes: 1 }]);
    const { rtmr } = predictTdShim({ firmware: measuredByVmm, payload });
    expect(rtmr[0]).toBe(fold([sha384("key hash"), sha384("key hash"), separator]));
    expect(rtmr[1]).toBe(fold([sha384(Buffer.of(3, 0, 0, 0, 0, 0, 0, 0)), separator]));
  });

  it.each([
    ["a kernel that does not fit", [BFV, { ...PAYLOAD, rawDataSizeBytes: 0, memoryDataSizeBytes: 0 }, PARAMETER]],
    ["no place for the command line", [BFV, PAYLOAD]],
  ])("refuses %s", (_, sections) => {
    const payload = { kind: "linux", kernel: Buffer.from("kernel"), commandLine: Buffer.from("quiet") } as const;
    expect(() => predictTdShim({ firmware: makeTdvf(sections), payload })).toThrow(CvmError);
  });
});
