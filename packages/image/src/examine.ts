import { resolve } from "node:path";
import { CvmError, type FileSource, HASH_ALGORITHMS, type HashAlgorithm, openFileSource } from "@cvm-build/bytes";
import { predictUkiOnEsp } from "@cvm-build/measure";
import { inspectUki, type UkiInspection } from "@cvm-build/uki";
import { measuredCompanions } from "./companions.ts";
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
  using source = openImage(image, surroundings);
  return inspectUki(source);
}

/** Predicts the registers of a UKI from its own bytes. */
export async function measureImage(
  { image, phases, banks, variableStore }: MeasureRequest,
  surroundings: Surroundings,
): Promise<PlatformMeasurements> {
  using source = openImage(image, surroundings);
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

function openImage(image: string, { invocationDirectory }: Surroundings): FileSource {
  try {
    return openFileSource(resolve(invocationDirectory, image));
  } catch (cause) {
    throw new CvmError("no-image", `cannot read image "${image}": expected a readable file`, { cause });
  }
}
