import { statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { CvmError, DIGEST_SIZE_BYTES, FormatError, HASH_ALGORITHMS, type HashAlgorithm } from "@cvm-build/bytes";
import type { Measurements, PlatformMeasurements } from "../measurements.ts";
import { type JsonPlace, parseJson } from "../release/json-document.ts";
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

const RECORD = "measurements.json";
/** More than any image has. */
const LIMITS = { platforms: 65_536, events: 65_536, registers: 64 } as const;

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
  const { image, platforms } = parseMeasurements(readInput(path, "measurements", surroundings).toString("utf8"));
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

/** Checks what is read of the document; it may be somebody else's. */
function parseMeasurements(text: string): Pick<Measurements, "image" | "platforms"> {
  const document = parseJson(text, RECORD);
  const schema = document.at("schema").text();
  if (schema !== "cvm-build.measurements/1") {
    throw new FormatError({ record: RECORD, field: "schema" }, `expected cvm-build.measurements/1, got ${schema}`);
  }
  for (const field of ["id", "version", "sha256"]) document.at("image").at(field).text();
  for (const platform of document.at("platforms").list(LIMITS.platforms)) checkPlatform(platform);
  return document.value as Pick<Measurements, "image" | "platforms">;
}

function checkPlatform(platform: JsonPlace): void {
  platform.at("name").text();
  const registers = platform.at("registers");
  for (const [bank, values] of registers.at("pcr").fields(HASH_ALGORITHMS.length)) {
    for (const [, value] of values.fields(LIMITS.registers)) checkDigest(value, [bankOf(bank)]);
  }
  if (registers.has("mrtd")) checkDigest(registers.at("mrtd"), ["sha384"]);
  if (registers.has("launchDigest")) checkDigest(registers.at("launchDigest"), ["sha256", "sha384"]);
  if (registers.has("rtmr")) {
    for (const [, value] of registers.at("rtmr").fields(LIMITS.registers)) checkDigest(value, ["sha384"]);
  }
  for (const [bank, paths] of platform.at("phases").fields(HASH_ALGORITHMS.length)) {
    for (const [, value] of paths.fields(LIMITS.registers)) checkDigest(value, [bankOf(bank)]);
  }
  for (const each of platform.at("unpredicted").list(LIMITS.registers)) {
    each.at("register").text();
    each.at("reason").text();
  }
  if (platform.has("alternatives")) platform.at("alternatives").list(LIMITS.registers).forEach(checkAlternative);
  platform.at("events").list(LIMITS.events).forEach(checkEvent);
}

function checkAlternative(alternative: JsonPlace): void {
  alternative.at("register").text();
  alternative.at("reason").text();
  for (const values of alternative.at("values").list(LIMITS.registers)) checkDigests(values);
}

function checkEvent(event: JsonPlace): void {
  event.at("register").text();
  event.at("label").text();
  if (event.has("type")) event.at("type").text();
  checkDigests(event.at("digests"));
  for (const [, value] of event.at("source").fields(LIMITS.registers)) value.text();
}

function checkDigests(digests: JsonPlace): void {
  for (const [bank, value] of digests.fields(HASH_ALGORITHMS.length)) checkDigest(value, [bankOf(bank)]);
}

function checkDigest(place: JsonPlace, banks: readonly HashAlgorithm[]): void {
  const text = place.text();
  const fits = banks.some((bank) => text.length === DIGEST_SIZE_BYTES[bank] * 2);
  if (fits && /^[0-9a-f]*$/.test(text)) return;
  throw new FormatError({ record: RECORD }, `expected a digest of ${banks.join(" or ")}, got "${text.slice(0, 140)}"`);
}

function bankOf(name: string): HashAlgorithm {
  const bank = HASH_ALGORITHMS.find((each) => each === name);
  if (bank) return bank;
  throw new FormatError({ record: RECORD }, `expected one of ${HASH_ALGORITHMS.join(", ")}, got "${name}"`);
}
