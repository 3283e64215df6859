import { appendFileSync, copyFileSync, readFileSync, truncateSync } from "node:fs";
import { alignUp } from "@cvm-build/bytes";
import { assembleMiniInitrd } from "@cvm-build/rootfs";
import { writeBootFiles } from "../boot-files.ts";
import type { Inputs } from "../inputs.ts";
import { withArguments } from "../kernel-arguments.ts";
import { lintKernel } from "../lint/lint-kernel.ts";
import { platformsOf } from "../measure-build.ts";
import { measureKernel } from "../measure-kernel.ts";
import type { Build } from "../build-under-way.ts";
import { startedByKernel } from "../platforms/by-kernel.ts";
import { type FileSystemFacts, type VerifiedFileSystem, writeFileSystem } from "./file-system.ts";
import { initrdInput, miniInit, packInitrd, rootfsTools } from "./initrd.ts";
import { checkKernelOf } from "./kernel-check.ts";
import { formatLaunchScript, LAUNCH_WAYS } from "./launch-script.ts";
import type { MadeImage } from "./made-image.ts";
import { PartsFolder } from "./parts-folder.ts";
import { imageFileName } from "./table.ts";
import { assembleTree } from "./tree.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** What a region of persistent memory must begin and end at: `SUBSECTION_SIZE` of Linux. */
const ALIGNMENT_BYTES = 2 * MIB;
/** What the kernel calls the first region. */
const DEVICE = "/dev/pmem0";

/**
 * Makes an erofs that a boot loader places in memory, where `memmap=` keeps it from being used for anything else and the
 * kernel makes a disk of it. The initrd verifies it; with `Verity=none` there is none, and a kernel with all drivers built in
 * mounts it by itself.
 */
export async function makePmem(build: Build, inputs: Inputs): Promise<MadeImage> {
  const { profile, generation, surroundings } = build;
  const platforms = (await platformsOf(profile, surroundings)).map(startedByKernel);
  using parts = new PartsFolder(generation);
  const rootfs = await assembleTree(build, inputs);
  const fileSystem = await writeFileSystem(rootfs.tree, { ...build, tree: "root", folder: parts.path });
  const isVerified = profile.validation.verity !== "none";
  const name = imageFileName(profile);
  const region = writeRegion(build, { fileSystem, isVerified, path: generation.path(name) });
  const initrd = isVerified ? await makeInitrd(build, { inputs, rootfs, facts: fileSystem.facts }) : undefined;
  checkKernelOf(build, { kernel: rootfs.kernel, initrd: initrd?.tree ?? "none" });
  const packed = initrd ? await packInitrd(initrd.tree, build) : { segments: [], losses: [] };
  const { names, kernelCommandLine } = writeBootFiles({
    ...{ rootfs, generation, segments: packed.segments },
    profile: withArguments(profile, kernelArguments(region, { isVerified })),
  });
  const scriptName = `${profile.output.imageId}${LAUNCH_WAYS.plain.suffix}`;
  const launched = { names, commandLine: kernelCommandLine, ...placed(region, name) };
  generation.write(scriptName, formatLaunchScript(LAUNCH_WAYS.plain, launched));
  const { image, ...measured } = await measureKernel(
    {
      path: generation.path(names.kernel),
      initrdPath: generation.path(names.initrd),
      commandLine: kernelCommandLine,
    },
    { profile, platforms, threads: surroundings.workers },
  );
  const measurements = { ...measured, image: { ...image, sha256: generation.digest(name).sha256 } };
  return {
    ...{ rootfs, packed, measurements, artifacts: inputs.artifacts },
    written: { outputs: [name, ...Object.values(names), scriptName], kernelCommandLine },
    fileSystem: { ...fileSystem.facts, addressBytes: region.addressBytes },
    lint: lintKernel({
      ...{ profile, platforms, measurements, tree: rootfs.tree, commandLine: kernelCommandLine },
      ...(initrd && { initrd: initrd.tree }),
    }),
  };
}

/** Physical memory that holds the image. */
interface Region {
  addressBytes: number;
  sizeBytes: number;
}

/** Writes what goes into memory: the erofs, its hash tree, and zeros up to the next boundary. */
function writeRegion(
  { profile }: Build,
  { fileSystem, isVerified, path }: { fileSystem: VerifiedFileSystem; isVerified: boolean; path: string },
): Region {
  copyFileSync(fileSystem.dataPath, path);
  if (isVerified) appendFileSync(path, readFileSync(fileSystem.hashPath));
  const { sizeBytes: dataBytes, verity } = fileSystem.facts;
  const sizeBytes = alignUp(dataBytes + (isVerified ? verity.hashSizeBytes : 0), ALIGNMENT_BYTES);
  truncateSync(path, sizeBytes);
  return { sizeBytes, addressBytes: profile.pmem.addressBytes ?? usualAddress(sizeBytes) };
}

/**
 * Where there is memory on a machine with little more than the image: between kernel and firmware of one with 2 GiB, where
 * half of that is enough, else where QEMU's memory goes on above the addresses of devices.
 */
function usualAddress(sizeBytes: number): number {
  return sizeBytes <= GIB / 2 ? GIB : 4 * GIB;
}

function makeInitrd(build: Build, { facts, ...parts }: Parameters<typeof initrdInput>[1] & { facts: FileSystemFacts }) {
  const init = { ...miniInit(build.profile, facts), carrier: { kind: "device", device: DEVICE } as const };
  // The hash tree with its superblock lies behind the data, on the same device.
  const hashStartBlock = facts.verity.dataBlocks + init.verity.hashStartBlock;
  const input = { ...initrdInput(build, parts), init: { ...init, verity: { ...init.verity, hashStartBlock } } };
  return assembleMiniInitrd(input, rootfsTools(build));
}

/** @see Linux Documentation/admin-guide/kernel-parameters.txt, `memmap=nn[KMG]!ss[KMG]` */
function kernelArguments({ addressBytes, sizeBytes }: Region, { isVerified }: { isVerified: boolean }): string[] {
  const memory = `memmap=${sizeBytes / MIB}M!0x${addressBytes.toString(16)}`;
  return isVerified ? [memory] : [memory, `root=${DEVICE}`, "rootfstype=erofs", "ro"];
}

/** What QEMU is told beside, and how much memory it takes. */
function placed({ addressBytes, sizeBytes }: Region, file: string) {
  const isHigh = addressBytes >= 4 * GIB;
  // Up to 2 GiB lie below the addresses of devices, the rest from 4 GiB on.
  const end = addressBytes + sizeBytes - (isHigh ? 2 * GIB : 0);
  return {
    memory: `${Math.max(2, Math.ceil(end / GIB))}G`,
    options: [`-device loader,file=${file},addr=0x${addressBytes.toString(16)},force-raw=on`],
  };
}
