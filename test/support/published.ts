import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Measurements, PlatformMeasurements, PublishedEvent } from "@cvm-build/image";
import type { RegisterValues } from "@cvm-build/measure";

/** Known answers that lie beside the repository. */
export const VECTORS = join(import.meta.dirname, "../../../shared/vectors");

/** A `measurements.json` of one platform. */
export function publish(
  registers: RegisterValues,
  events: PublishedEvent[],
  more: Partial<PlatformMeasurements> = {},
): Measurements {
  const platform = { name: "test", registers, phases: {}, unpredicted: [], refused: [], events, ...more };
  return {
    schema: "cvm-build.measurements/1",
    image: { id: "test", version: "1", sha256: "0".repeat(64) as Measurements["image"]["sha256"] },
    platforms: [platform],
  };
}

/** A boot of the vectors: its log, its registers by the TPM, and its events by a decoder that is not ours. */
export function qemuBoot(name: string): { log: Buffer; pcrs: Record<string, string>; events: PublishedEvent[] } {
  const folder = join(VECTORS, "qemu-boots");
  const runs = JSON.parse(readFileSync(join(folder, "runs.json"), "utf8")) as {
    name: string;
    pcrs: { sha256: Record<string, string> };
  }[];
  const events = JSON.parse(readFileSync(join(folder, "runs", `${name}.events.json`), "utf8")) as {
    pcr: number;
    type: string;
    desc: string;
    sha256: string;
  }[];
  const pcrs = Object.entries(runs.find((run) => run.name === name)?.pcrs.sha256 ?? {});
  return {
    log: gunzipSync(readFileSync(join(folder, "runs", `${name}.log.gz`))),
    // IMA extends PCR 10 without a log; those above are not the boot's.
    pcrs: Object.fromEntries(pcrs.filter(([pcr]) => Number(pcr) <= 15 && pcr !== "10")),
    events: events
      .filter(({ type }) => type !== "EV_NO_ACTION")
      .map(({ pcr, type, desc, sha256 }) => ({
        register: `pcr${pcr}`,
        type,
        label: desc,
        digests: { sha256 },
        source: desc === ".cmdline" ? { section: ".cmdline", setting: "Content.KernelCommandLine" } : {},
      })),
  };
}
