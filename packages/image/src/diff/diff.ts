import { findImage, type ImageChoice } from "../machine.ts";
import { readContents } from "../explain/contents.ts";
import type { Surroundings } from "../surroundings.ts";
import { type ContentDifference, diffContents } from "./diff-contents.ts";
import { diffRegisters, type RegisterDifference } from "./diff-registers.ts";

/** Two images that cvm-build built. */
export interface DiffRequest {
  a: ImageChoice;
  b: ImageChoice;
}

/** Which registers differ, by which events, and what in the images made them. */
export interface ImageDifference {
  a: string;
  b: string;
  registers: RegisterDifference[];
  contents: ContentDifference;
  /** Platforms that only one of the images is measured for. */
  onlyOn: { platform: string; image: "a" | "b" }[];
}

/** Compares two built images: their registers, event by event, and what they are made of, file by file. */
export function diffImages(request: DiffRequest, surroundings: Surroundings): ImageDifference {
  const built = { a: findImage(request.a, surroundings), b: findImage(request.b, surroundings) };
  const contents = { a: readContents(built.a), b: readContents(built.b) };
  const platforms = { a: contents.a.measurements.platforms, b: contents.b.measurements.platforms };
  const missing = (side: "a" | "b", other: "a" | "b") =>
    platforms[side]
      .filter(({ name }) => !platforms[other].some((platform) => platform.name === name))
      .map(({ name }) => ({ platform: name, image: side }));
  return {
    a: built.a.uki,
    b: built.b.uki,
    registers: diffRegisters(platforms.a, platforms.b),
    contents: diffContents(contents.a, contents.b),
    onlyOn: [...missing("a", "b"), ...missing("b", "a")],
  };
}
