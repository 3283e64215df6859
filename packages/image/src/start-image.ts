import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import type { ImageBoot } from "@cvm-build/vm";
import { bootFileNames } from "./boot-file-names.ts";
import { companionsBeside } from "./companions.ts";
import { DISK_SUFFIXES, TABLE_SUFFIX } from "./layouts/disk-names.ts";
import { LAYOUTS, type Start } from "./layouts/table.ts";
import type { BuiltImage } from "./machine.ts";
import type { Manifest } from "./manifest.ts";
import { fileDigest } from "./output.ts";

/** What a kernel is started with. */
export interface StartedKernel {
  initrdPath: string;
  commandLine: string;
}

/** How a machine is given an image. */
export interface StartOfImage {
  boot: Pick<ImageBoot, "imagePath" | "path" | "espFiles">;
  /** What a kernel is started with, where the image is one. */
  kernel?: StartedKernel;
  /** What the machine boots from, as platforms say it: a file that begins as the disk does, or no partition table. */
  partitions: string;
}

/**
 * How a built image is booted. One without a manifest is a UKI.
 * @throws CvmError `not-booted` where it is not booted by itself, or in another machine; `no-image` where its disk is missing;
 * `not-measured` where files beside a kernel are not its own
 */
export function startOfImage(built: BuiltImage): StartOfImage {
  const start = startKind(built);
  switch (start) {
    case "uki":
      return { boot: { imagePath: built.path, espFiles: companionsBeside(built.path) }, partitions: "none" };
    case "disk":
      return startOfDisk(built);
    case "kernel":
      return startOfKernel(built);
    case "memory":
      return startFromMemory(built);
    default:
      throw notBooted(built, start);
  }
}

/**
 * What a built image that is a kernel is started with; undefined of a UKI.
 * @throws CvmError `not-booted` where it is not booted by itself; `not-measured` as `startOfImage`
 */
export function startedKernel(built: BuiltImage): (StartedKernel & { path: string }) | undefined {
  const start = startKind(built);
  switch (start) {
    case undefined:
      throw notBooted(built, start);
    case "kernel":
      return { path: built.path, ...startOfKernel(built).kernel };
    case "memory": {
      const path = kernelBeside(built);
      return { path, ...startOfKernel({ ...built, path }).kernel };
    }
    default:
      return undefined;
  }
}

function startKind({ output }: BuiltImage): Start | undefined {
  if (output.read("manifest.json") === undefined) return "uki";
  const { image, outputs } = output.readJson<Manifest>("manifest.json");
  const { start } = LAYOUTS[image.format];
  // A UKI whose file system does not travel inside of it is on a disk as well.
  const isOnDisk = outputs.some(({ name }) => name === `${image.id}${TABLE_SUFFIX}`);
  return start === "uki" && isOnDisk ? "disk" : start;
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

/**
 * The machine is handed kernel, initrd and command line.
 * @throws CvmError `not-measured` where the last two are not those that belong to the kernel
 */
function startOfKernel({ output, path }: BuiltImage): StartOfImage & { kernel: StartedKernel } {
  const { outputs } = output.readJson<Manifest>("manifest.json");
  const names = bootFileNames(output.imageId);
  const file = (name: string) => join(output.path, name);
  for (const name of [names.initrd, names.cmdline]) {
    const expected = outputs.find((each) => each.name === name)?.sha256;
    if (expected === fileDigest(file(name)).sha256) continue;
    throw new CvmError("not-measured", `cannot boot "${path}": expected "${name}" as manifest.json has it`, {
      hint: "the file is not the one that was built; build the image again",
    });
  }
  const kernel = { initrdPath: file(names.initrd), commandLine: readFileSync(file(names.cmdline), "utf8") };
  return { boot: { imagePath: path, path: { kind: "kernel", ...kernel } }, kernel, partitions: "none" };
}

/** The machine is handed the kernel, and has the file system in its memory. */
function startFromMemory(built: BuiltImage): StartOfImage {
  const { output, path } = built;
  const { fileSystem } = output.readJson<Manifest>("manifest.json");
  const started = startOfKernel({ output, path: kernelBeside(built) });
  const placed = { path, addressBytes: fileSystem?.addressBytes ?? 0 };
  const kernel = { kind: "kernel", ...started.kernel, placed } as const;
  return { ...started, boot: { ...started.boot, path: kernel } };
}

/** The kernel of an image that is a file system. */
function kernelBeside({ output }: BuiltImage): string {
  return join(output.path, bootFileNames(output.imageId).kernel);
}

function notBooted({ path }: BuiltImage, start: Start | undefined): CvmError {
  const got = start === undefined ? "one that is not booted by itself" : `one that is started from ${start}`;
  return new CvmError("not-booted", `cannot boot "${path}": expected an image that firmware starts, got ${got}`);
}
