import { statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { FormatError } from "@cvm-build/bytes";
import { type LogVerification, verifyLog } from "../evidence/verify-log.ts";
import { type QuoteVerification, verifyQuote } from "../evidence/verify-quote.ts";
import { readContents } from "../explain/contents.ts";
import { findImage } from "../machine.ts";
import type { Manifest } from "../manifest.ts";
import type { Surroundings } from "../surroundings.ts";
import { type ContentDifference, diffContents } from "./diff-contents.ts";
import { diffRegisters, type RegisterDifference } from "./diff-registers.ts";

/** An image that cvm-build built, and what it is held against. */
export interface DiffRequest {
  /** Path of an output directory. */
  a: string;
  /** Path of another, or of a machine's event log, quote or report. */
  b: string;
  /** Where `b` is of a machine, the platform that it is. */
  platform?: string;
}

/** How an image and something else differ. */
export type Difference =
  | ({ against: "image" } & ImageDifference)
  | ({ against: "log" } & LogVerification)
  | ({ against: "quote" } & QuoteVerification);

/** Which registers differ, by which events, and what in the images made them. */
export interface ImageDifference {
  a: string;
  b: string;
  registers: RegisterDifference[];
  contents: ContentDifference;
  /** Platforms that only one of the images is measured for. */
  onlyOn: { platform: string; image: "a" | "b" }[];
}

/** Compares an image with another, or with what a machine says that it measured. */
export function diffImage(request: DiffRequest, surroundings: Surroundings): Difference {
  const { a: image, b: path, platform } = request;
  if (isImage(path, surroundings)) {
    return { against: "image", ...diffImages({ a: image, b: path }, surroundings) };
  }
  const published = { image, ...(platform !== undefined && { platform }) };
  try {
    return { against: "log", ...verifyLog({ log: { path }, published }, surroundings) };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { against: "quote", ...verifyQuote({ evidence: path, published }, surroundings) };
  }
}

function isImage(image: string, surroundings: Surroundings): boolean {
  const path = resolve(surroundings.invocationDirectory, image);
  if (path.endsWith(".efi") || statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return true;
  const { output } = findImage({ image }, surroundings);
  if (output.read("manifest.json") === undefined) return false;
  // Its disk, say, or its kernel.
  return output.readJson<Manifest>("manifest.json").outputs.some(({ name }) => name === basename(path));
}

/** Compares two built images: their registers, event by event, and what they are made of, file by file. */
function diffImages(request: { a: string; b: string }, surroundings: Surroundings): ImageDifference {
  const built = { a: findImage({ image: request.a }, surroundings), b: findImage({ image: request.b }, surroundings) };
  const contents = { a: readContents(built.a), b: readContents(built.b) };
  const platforms = { a: contents.a.measurements.platforms, b: contents.b.measurements.platforms };
  const missing = (side: "a" | "b", other: "a" | "b") =>
    platforms[side]
      .filter(({ name }) => !platforms[other].some((platform) => platform.name === name))
      .map(({ name }) => ({ platform: name, image: side }));
  return {
    a: built.a.path,
    b: built.b.path,
    registers: diffRegisters(platforms.a, platforms.b),
    contents: diffContents(contents.a, contents.b),
    onlyOn: [...missing("a", "b"), ...missing("b", "a")],
  };
}
