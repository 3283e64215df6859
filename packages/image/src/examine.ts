import { resolve } from "node:path";
import { HASH_ALGORITHMS, type HashAlgorithm } from "@cvm-build/bytes";
import { predictUkiOnEsp } from "@cvm-build/measure";
import { inspectUki, type UkiInspection } from "@cvm-build/uki";
import { measuredCompanions } from "./companions.ts";
import { openNamedFile } from "./named-file.ts";
import { platformOf } from "./platform.ts";
import { platformMeasurements, type PlatformMeasurements } from "./measurements.ts";
import type { Surroundings } from "./surroundings.ts";

/** What to measure of a finished image. */
export interface MeasureRequest {
  /** Path of a UKI, made by anyone. */
  image: string;
  /** Boot phases that the system in it reaches, in order. */
  phases: string[];
  /** All four where empty. */
  banks: HashAlgorithm[];
  /** Path of a variable store of OVMF's. Secure Boot is off without. */
  variableStore?: string;
}

/** Says what is in a UKI. */
export function inspectImage({ image }: { image: string }, surroundings: Surroundings): UkiInspection {
  using source = openNamedFile(resolve(surroundings.invocationDirectory, image), "image");
  return inspectUki(source);
}

/** Predicts the registers of a UKI from its own bytes. */
export async function measureImage(
  { image, phases, banks, variableStore }: MeasureRequest,
  surroundings: Surroundings,
): Promise<PlatformMeasurements> {
  using source = openNamedFile(resolve(surroundings.invocationDirectory, image), "image");
  const { name, secureBoot } = platformOf(
    variableStore === undefined ? undefined : resolve(surroundings.invocationDirectory, variableStore),
  );
  const prediction = await predictUkiOnEsp(source, {
    banks: banks.length > 0 ? banks : HASH_ALGORITHMS,
    phases,
    secureBoot,
    companions: measuredCompanions(resolve(surroundings.invocationDirectory, image)),
    threads: surroundings.workers,
  });
  return platformMeasurements(name, prediction);
}
