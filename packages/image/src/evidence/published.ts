import { statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { assert, CvmError } from "@cvm-build/bytes";
import type { Measurements, PlatformMeasurements } from "../measurements.ts";
import { readMeasurements } from "../read-measurements.ts";
import type { Surroundings } from "../surroundings.ts";
import { readInput } from "./input.ts";

/** What was published for an image, and on which platform. */
export interface PublishedChoice {
  /** An output directory, an image in one, or a `measurements.json` from wherever it was published. */
  image: string;
  /** A platform, or one machine of its matrix. May be left out where the document has one platform that fits. */
  platform?: string;
}

/** One platform of a `measurements.json`. */
export interface Published {
  image: Measurements["image"];
  /** The platform; of one that was predicted for several machines, each of them. */
  machines: PlatformMeasurements[];
}

/** Names that are listed where it is not clear which is meant. */
const NAMES_SHOWN = 20;

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
  const machines = platforms.filter((each) =>
    choice.platform === undefined ? fits(each) : [each.name, platformOf(each)].includes(choice.platform),
  );
  if (new Set(machines.map(platformOf)).size === 1) return { image, machines };
  const names = [...new Set(platforms.map(platformOf))];
  const got = machines.length > 0 ? `${machines.length} that fit` : "none that fits";
  throw new CvmError("usage", `cannot choose a platform of "${path}": expected one, got ${got}`, {
    hint: `name it with --platform; there are: ${names.slice(0, NAMES_SHOWN).join(", ") || "none"}`,
  });
}

/** The verification of the machine that agrees, or else of the one of which most registers do. */
export function closestMachine<T extends { agrees: boolean }>(
  { machines }: Published,
  verify: (machine: PlatformMeasurements) => { report: T; equalRegisters: number },
): T {
  let closest: { report: T; equalRegisters: number } | undefined;
  for (const machine of machines) {
    const verified = verify(machine);
    if (verified.report.agrees) return verified.report;
    if (closest === undefined || verified.equalRegisters > closest.equalRegisters) closest = verified;
  }
  assert(closest, "a platform has a machine");
  return closest.report;
}

/** A platform's name: of a machine of a matrix, what is before what was varied. */
function platformOf({ name }: PlatformMeasurements): string {
  return name.split("+", 1).join();
}

function documentOf(path: string): string {
  if (path.endsWith(".efi")) return join(dirname(path), "measurements.json");
  const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  return isDirectory ? join(path, "measurements.json") : path;
}
