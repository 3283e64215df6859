import { describe, expect, it } from "vitest";
import { Memo } from "./memo.ts";
import type { ReadyPlatform } from "./ready-platform.ts";
import { varyPlatform } from "./vary.ts";

const platform: ReadyPlatform = {
  declaration: { name: "here", description: "", machine: { cpus: 1, type: "q35" } },
  memo: new Memo(),
};
const show = (platforms: readonly ReadyPlatform[]) =>
  platforms.map(({ declaration }) => [declaration.name, declaration.machine]);

describe("varyPlatform", () => {
  it("leaves a platform as it is without variations", () => {
    expect(varyPlatform(platform, {})).toEqual([platform]);
  });

  it("takes a single value without saying so in the name", () => {
    expect(show(varyPlatform(platform, { cpus: [4] }))).toEqual([["here", { cpus: 4, type: "q35" }]]);
  });

  it("has each combination, in the order of the values", () => {
    const varied = varyPlatform(platform, { memoryBytes: [2 ** 30, 2 ** 31], cpus: [1, 2], versions: ["10.0"] });
    expect(show(varied)).toEqual([
      ["here+1024M+1cpus", { cpus: 1, type: "q35", memoryBytes: 2 ** 30, version: "10.0" }],
      ["here+1024M+2cpus", { cpus: 2, type: "q35", memoryBytes: 2 ** 30, version: "10.0" }],
      ["here+2048M+1cpus", { cpus: 1, type: "q35", memoryBytes: 2 ** 31, version: "10.0" }],
      ["here+2048M+2cpus", { cpus: 2, type: "q35", memoryBytes: 2 ** 31, version: "10.0" }],
    ]);
  });

  it("refuses more machines than anybody reads", () => {
    const many = Array.from({ length: 300 }, (_, index) => index + 1);
    expect(() => varyPlatform(platform, { cpus: many, memoryBytes: many })).toThrow("cannot predict 90000 machines");
  });
});
