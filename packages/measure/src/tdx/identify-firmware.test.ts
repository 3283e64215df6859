import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { makeTdvf } from "../firmware/tdvf.fixture.ts";
import { identifyTdFirmware } from "./identify-firmware.ts";
import { offersMeasurement } from "./td-firmware.ts";

const folder = join(import.meta.dirname, "../../../../../shared/vectors/firmware");

describe("identifyTdFirmware", () => {
  it("knows only what is made as OVMF is", async () => {
    expect(await identifyTdFirmware(makeTdvf([{ memoryDataSizeBytes: 0x1000, type: 2 }]))).toBeUndefined();
  });

  it.skipIf(!existsSync(folder)).each([
    ["bookworm-ovmf-2022.11-OVMF.fd", "2022.11", false],
    ["trixie-ovmf-2025.02-OVMF.fd", "2025.02", true],
    ["sid-ovmf-generic-2026.08-OVMF.fd", "2026.08", true],
  ])("%s: what its modules say is what its release has where nobody sets it", async (name, release, measuresCc) => {
    const file = gunzipSync(readFileSync(join(folder, `${name}.gz`)));
    expect(await identifyTdFirmware(file)).toEqual({ build: "OvmfPkgX64", measuresCc });
    expect(offersMeasurement({ file, release, build: "OvmfPkgX64" })).toBe(measuresCc);
  });
});
