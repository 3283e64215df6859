import { type Prediction, tdOwnerValues } from "@cvm-build/measure";
import type { PlatformMeasurements } from "../measurements.ts";
import type { Bootable } from "./bootable.ts";
import { predictPlatform } from "./predict-platform.ts";
import type { ReadyPlatform } from "./ready-platform.ts";

/** The registers of an image on each of several platforms, in their order. */
export async function measureOnPlatforms(
  bootable: Bootable,
  platforms: readonly ReadyPlatform[],
  options: { threads: number },
): Promise<PlatformMeasurements[]> {
  const measured: PlatformMeasurements[] = [];
  for (const platform of platforms) {
    const { name, tdx } = platform.declaration;
    const owner = tdx?.mrConfigId ?? tdx?.mrOwner ?? tdx?.mrOwnerConfig;
    measured.push({
      ...platformMeasurements(name, await predictPlatform(platform, bootable, options)),
      ...(tdx && owner !== undefined && { owner: tdOwnerValues(tdx) }),
    });
  }
  return measured;
}

/** A prediction as it is published. */
export function platformMeasurements(name: string, prediction: Prediction): PlatformMeasurements {
  const { events, ...rest } = prediction;
  return {
    name,
    ...rest,
    events: events.map(({ type, ...event }) => ({ ...event, ...(type !== undefined && { type }) })),
  };
}
