import { describe, expect, it } from "vitest";
import { cpuModelSignature, cpuSignature, EPYC_MODEL_NAMES } from "./cpu-models.ts";

describe("signatures of CPU models", () => {
  it.each([
    ["EPYC", 0x80_0f12],
    ["EPYC-v5", 0x80_0f12],
    ["EPYC-IBPB", 0x80_0f12],
    ["EPYC-Rome-v4", 0x83_0f10],
    ["EPYC-Milan-v3", 0xa0_0f11],
    ["EPYC-Genoa-v2", 0xa1_0f10],
    ["EPYC-Turin", 0xb0_0f00],
  ])("of %s is 0x%s", (name, signature) => {
    expect(cpuModelSignature(name)).toBe(signature);
  });

  it("has the parts of family and model that CPUID splits", () => {
    expect(cpuSignature({ family: 6, model: 0x8f, stepping: 4 })).toBe(0x8_06f4);
    expect(cpuSignature({ family: 15, model: 107, stepping: 1 })).toBe(0x6_0fb1);
  });

  it.each(["", "epyc-v4", "EPYC-v6", "EPYC-v0", "EPYC-IBPB-v1", "EPYC-Venice", "host", "max", "constructor"])(
    "refuses %j, which could be any",
    (name) => {
      expect(() => cpuModelSignature(name)).toThrow(
        expect.objectContaining({ code: "sev-launch", message: expect.stringContaining(`"${name}"`) as unknown }),
      );
    },
  );

  it("knows each name once", () => {
    expect(new Set(EPYC_MODEL_NAMES).size).toBe(EPYC_MODEL_NAMES.length);
  });
});
