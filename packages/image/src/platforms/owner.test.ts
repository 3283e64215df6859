import { bytesSource } from "@cvm-build/bytes";
import { expect, it } from "vitest";
import { makeKernel } from "../../../uki/src/pe/pe.fixture.ts";
import { exportMeasurements } from "../exports/export-measurements.ts";
import { makeMeasurements, tdxPlatform } from "../exports/measurements.fixture.ts";
import { measureOnPlatforms } from "./measure.ts";
import { Memo } from "./memo.ts";

const mrConfigId = "ab".repeat(48);

it("passes on what a platform has a TD's quotes repeat", async () => {
  const declaration = { name: "td", description: "", machine: {}, tee: "tdx", boot: "kernel-bzimage" } as const;
  const bootable = {
    image: bytesSource(makeKernel("6.12.0")),
    companions: [],
    phases: [],
    banks: [],
    memo: new Memo(),
  };
  const measure = async (tdx: { mrConfigId?: string }) =>
    (
      await measureOnPlatforms(bootable, [{ declaration: { ...declaration, tdx }, memo: new Memo() }], { threads: 1 })
    )[0];
  const zero = "00".repeat(48);
  expect((await measure({ mrConfigId }))?.owner).toEqual({ mrConfigId, mrOwner: zero, mrOwnerConfig: zero });
  expect((await measure({}))?.owner).toBeUndefined();
});

it("has verifiers compare it", async () => {
  const owner = { mrConfigId, mrOwner: "00".repeat(48), mrOwnerConfig: "00".repeat(48) };
  const measurements = makeMeasurements({ ...tdxPlatform("qemu-tdx"), owner });
  const { files } = await exportMeasurements(measurements, { formats: ["go-tdx-guest"] });
  expect(files[0]?.bytes.toString()).toContain(`mr_config_id: "${"\\xab".repeat(48)}"`);
});
