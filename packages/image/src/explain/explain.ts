import { existsSync } from "node:fs";
import { join } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import { measureImage } from "../examine.ts";
import { type BuiltImage, findImage, type ImageChoice } from "../machine.ts";
import type { PlatformMeasurements } from "../measurements.ts";
import type { Surroundings } from "../surroundings.ts";
import { readContents } from "./contents.ts";
import { explainFile, type FileExplanation } from "./explain-file.ts";
import { explainRegister, type RegisterExplanation } from "./explain-register.ts";

/** A register of an image, or a file of it. */
export interface ExplainRequest {
  choice: ImageChoice;
  /** `pcr11`, `rtmr1`, `mrtd`, `launchDigest`; all that the platform has where undefined, unless there is a file. */
  register?: string;
  /** Absolute path of a file of the image. */
  file?: string;
  /** The first of the image's where undefined. */
  platform?: string;
}

/** What was asked for. */
export interface Explanation {
  image: string;
  registers: RegisterExplanation[];
  file?: FileExplanation;
}

/**
 * Explains registers of an image event by event, down to the package and setting, or a file up to the registers. An image
 * that cvm-build did not build is measured for it; how far back its bytes come is then not known.
 */
export async function explainImage(request: ExplainRequest, surroundings: Surroundings): Promise<Explanation> {
  const built = findImage(request.choice, surroundings);
  const contents = isOurs(built) ? readContents(built) : undefined;
  if (request.file !== undefined) {
    if (!contents) throw notExplained(built, "what a build leaves beside its image");
    if (contents.manifest.segments.length === 0) throw notExplained(built, "an initrd that holds them");
    return { image: built.path, registers: [], file: explainFile(contents, request.file) };
  }
  const foreign = { platform: request.platform, surroundings };
  const platforms = contents?.measurements.platforms ?? (await measureForeign(built.path, foreign));
  const platform = choosePlatform(platforms, { name: request.platform, image: built.path });
  const registers = request.register === undefined ? registersOf(platform) : [request.register];
  return {
    image: built.path,
    registers: registers.map((register) =>
      explainRegister(platform, { register, ...(contents && { manifest: contents.manifest }) }),
    ),
  };
}

function notExplained({ path }: BuiltImage, expected: string): CvmError {
  return new CvmError("no-image", `cannot explain files of "${path}": expected ${expected}`, {
    hint: "files are known of initrds that cvm-build built: name the output directory; cvm-build inspect --list shows those of others",
  });
}

function isOurs({ output }: BuiltImage): boolean {
  return existsSync(join(output.path, "measurements.json")) && existsSync(join(output.path, "manifest.json"));
}

async function measureForeign(
  image: string,
  { platform, surroundings }: { platform: string | undefined; surroundings: Surroundings },
): Promise<PlatformMeasurements[]> {
  const names = platform === undefined ? [] : [platform];
  return (await measureImage({ image, phases: [], banks: [], platforms: names }, surroundings)).platforms;
}

/**
 * A platform of an image by its name, or the first.
 * @throws CvmError `usage`
 */
export function choosePlatform(
  platforms: readonly PlatformMeasurements[],
  { name, image }: { name: string | undefined; image: string },
): PlatformMeasurements {
  const found = name === undefined ? platforms[0] : platforms.find((platform) => platform.name === name);
  if (found) return found;
  const known = platforms.map((platform) => platform.name).join(", ");
  throw new CvmError("usage", `cannot explain "${image}": expected measurements for platform ${name ?? "any"}`, {
    hint: known === "" ? "it is not booted by itself" : `it has ${known}`,
  });
}

function registersOf({ events }: PlatformMeasurements): string[] {
  return [...new Set(events.map(({ register }) => register))];
}
