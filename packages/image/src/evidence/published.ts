import { statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import type { Measurements, PlatformMeasurements } from "../measurements.ts";
import { readMeasurements } from "../read-measurements.ts";
import type { Surroundings } from "../surroundings.ts";
import { readInput } from "./input.ts";

/** What was published for an image, and on which platform. */
export interface PublishedChoice {
  /** An output directory, an image in one, or a `measurements.json` from wherever it was published. */
  image: string;
  /** May be left out where the document has one that fits. */
  platform?: string;
}

/** One platform of a `measurements.json`. */
export interface Published {
  image: Measurements["image"];
  platform: PlatformMeasurements;
}

/**
 * Reads a prediction that somebody published.
 * @param fits says whether a platform is one to compare with, where none is named
 * @throws CvmError `no-file`, `usage` where it is not clear which platform is meant; FormatError
 */
export function readPublished(
  choice: PublishedChoice,
  fits: (platform: PlatformMeasurements) => boolean,
  surroundings: Surroundings,
): Published {
  const path = documentOf(resolve(surroundings.invocationDirectory, choice.image));
  const { image, platforms } = readMeasurements(readInput(path, "measurements", surroundings).toString("utf8"));
  const named = platforms.filter(({ name }) => choice.platform === undefined || name === choice.platform);
  const candidates = choice.platform === undefined ? named.filter(fits) : named;
  const [platform] = candidates;
  if (platform && candidates.length === 1) return { image, platform };
  const names = platforms.map(({ name }) => name).join(", ") || "none";
  const got = platform ? `${candidates.length} that fit` : "none that fits";
  throw new CvmError("usage", `cannot choose a platform of "${path}": expected one, got ${got}`, {
    hint: `name it with --platform; there are: ${names}`,
  });
}

function documentOf(path: string): string {
  if (path.endsWith(".efi")) return join(dirname(path), "measurements.json");
  const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  return isDirectory ? join(path, "measurements.json") : path;
}
