import { bytesSource } from "@cvm-build/bytes";
import { predictBoot } from "@cvm-build/measure";
import { describe, expect, it } from "vitest";
import { makeKernel } from "../../../uki/src/pe/pe.fixture.ts";
import type { Bootable } from "./bootable.ts";
import { Memo } from "./memo.ts";
import { predictPlatform } from "./predict-platform.ts";
import type { ReadyPlatform } from "./ready-platform.ts";

const kernel = bytesSource(makeKernel("6.12.0"));
const initrd = bytesSource(Buffer.from("initrd"));
const bootable = (): Bootable => ({
  ...{ image: kernel, initrd, companions: [], phases: [], banks: ["sha256"] },
  memo: new Memo(),
});
const platform = (more: Partial<ReadyPlatform>, declaration: Partial<ReadyPlatform["declaration"]>): ReadyPlatform => ({
  declaration: { name: "here", description: "", machine: {}, ...declaration },
  memo: new Memo(),
  ...more,
});

describe("predictPlatform", () => {
  it("leaves no register of a TPM out", async () => {
    const {
      registers,
      unpredicted,
      alternatives = [],
    } = await predictPlatform(platform({}, { boot: "kernel-bzimage" }), bootable(), { threads: 1 });
    const named = [
      ...Object.keys(registers.pcr.sha256 ?? {}).map((index) => `pcr${index}`),
      ...unpredicted.map(({ register }) => register),
      ...alternatives.map(({ register }) => register),
    ];
    expect(named.toSorted()).toEqual(Array.from({ length: 24 }, (_, index) => `pcr${index}`).toSorted());
  });

  it("gives GRUB what the platform names", async () => {
    const loader = { path: "grubx64.efi", bytes: makeKernel("6.12.0") };
    const configuration = { path: "grub.cfg", bytes: Buffer.from("set timeout=0\n") };
    const declaration = { boot: "grub", loader: { file: loader.path, kernelPath: "/boot/vmlinuz" } } as const;
    const predicted = await predictPlatform(
      platform({ loader: { file: loader, configuration } }, declaration),
      bootable(),
      {
        threads: 1,
      },
    );
    const expected = await predictBoot({
      path: {
        kind: "grub",
        loader: bytesSource(loader.bytes),
        configuration: { path: "/boot/grub/grub.cfg", content: bytesSource(configuration.bytes) },
        kernel: { path: "/boot/vmlinuz", content: kernel },
        initrd: { path: "/initrd.img", content: initrd },
      },
      ...{ banks: ["sha256"], phases: [], secureBoot: false, machine: {} },
    });
    expect(predicted.events).toEqual(expected.events);
    expect(predicted.unpredicted).toEqual(expected.unpredicted);
  });

  it("has a platform's own reasons before all others", async () => {
    const reasons = { pcr4: "nobody knows" };
    const { registers, unpredicted, events } = await predictPlatform(
      platform({}, { boot: "kernel-bzimage", unpredicted: reasons }),
      bootable(),
      { threads: 1 },
    );
    expect(registers.pcr.sha256?.[4]).toBeUndefined();
    expect(unpredicted).toContainEqual({ register: "pcr4", reason: "nobody knows" });
    expect(events.filter(({ register }) => register === "pcr4")).toEqual([]);
  });

  it.each([
    ["sev-snp", ["launchDigest"]],
    ["tdx", ["mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"]],
  ] as const)("says what a platform with %s and nothing else leaves open", async (tee, registers) => {
    const { unpredicted } = await predictPlatform(
      platform({}, { boot: "kernel-bzimage", tpm: false, tee }),
      bootable(),
      {
        threads: 1,
      },
    );
    expect(unpredicted.map(({ register }) => register)).toEqual(registers);
  });
});
