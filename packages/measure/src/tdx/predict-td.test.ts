import { CvmError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { makeTdvf } from "../firmware/tdvf.fixture.ts";
import { predictMrtd } from "./mrtd.ts";
import { predictTd } from "./predict-td.ts";

const file = makeTdvf([
  { rawDataSizeBytes: 0x1000, memoryAddress: 0xffff_0000, memoryDataSizeBytes: 0x1000, type: 1 },
  { memoryAddress: 0x80_9000, memoryDataSizeBytes: 0x2000, type: 2 },
]);
const td = {
  firmware: { file, release: "2025.02", build: "OvmfPkgX64" },
  machine: { vmm: "qemu", memoryBytes: 2 ** 30 },
  software: {},
  environment: {},
  passes: "two",
} as const;
const boot = { events: [], unpredicted: [] };

describe("predictTd", () => {
  it("joins MRTD and RTMRs, and passes on what the VMM is told", () => {
    const { registers, events, owner } = predictTd(boot, { ...td, owner: { mrConfigId: "AB".repeat(48) } });
    expect(registers.mrtd).toBe(predictMrtd(file, { passes: "two" }).mrtd);
    expect(Object.keys(registers.rtmr ?? {})).toEqual(["1", "2", "3"]);
    expect(events.map(({ register }) => register).slice(0, 3)).toEqual(["mrtd", "mrtd", "rtmr0"]);
    const zero = "00".repeat(48);
    expect(owner).toEqual({ mrConfigId: "ab".repeat(48), mrOwner: zero, mrOwnerConfig: zero });
  });

  it.each(["", "ab", "xy".repeat(48), "ab".repeat(49)])("refuses an owner of %j", (mrOwner) => {
    expect(() => predictTd(boot, { ...td, owner: { mrOwner } })).toThrow(CvmError);
  });
});
