import { existsSync } from "node:fs";
import { join } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import type { ImageBoot } from "@cvm-build/vm";
import { companionsBeside } from "./companions.ts";
import { DISK_SUFFIXES, TABLE_SUFFIX } from "./layouts/boot-disk.ts";
import type { Start } from "./layouts/layout.ts";
import { LAYOUTS } from "./layouts/table.ts";
import type { BuiltImage } from "./machine.ts";
import type { Manifest } from "./manifest.ts";

/** How a machine is given an image. */
export interface StartOfImage {
  boot: Pick<ImageBoot, "imagePath" | "path" | "espFiles">;
  /** What the machine boots from, as platforms say it: a file that begins as the disk does, or no partition table. */
  partitions: string;
}

/**
 * How a built image is booted. One without a manifest is a UKI.
 * @throws CvmError `not-booted` where it is not booted by itself, or in another machine; `no-image` where its disk is missing
 */
export function startOfImage(built: BuiltImage): StartOfImage {
  const start = startKind(built);
  switch (start) {
    case "uki":
      return { boot: { imagePath: built.path, espFiles: companionsBeside(built.path) }, partitions: "none" };
    case "disk":
      return startOfDisk(built);
    default:
      throw notBooted(built, start);
  }
}

function startKind({ output }: BuiltImage): Start | undefined {
  if (output.read("manifest.json") === undefined) return "uki";
  const { format } = output.readJson<Manifest>("manifest.json").image;
  return LAYOUTS[format].start;
}

/** The machine reads the raw disk and does not write to it. */
function startOfDisk({ output }: BuiltImage): StartOfImage {
  const file = (suffix: string) => join(output.path, `${output.imageId}${suffix}`);
  const imagePath = file(DISK_SUFFIXES.raw);
  if (existsSync(imagePath)) return { boot: { imagePath, path: { kind: "disk" } }, partitions: file(TABLE_SUFFIX) };
  throw new CvmError("no-image", `cannot boot "${output.imageId}": expected "${imagePath}", got nothing of that name`, {
    hint: "add raw to DiskFormat= and build again",
  });
}

function notBooted({ path }: BuiltImage, start: Start | undefined): CvmError {
  const got = start === undefined ? "one that is not booted by itself" : `one that is started from ${start}`;
  return new CvmError("not-booted", `cannot boot "${path}": expected an image that firmware starts, got ${got}`);
}
