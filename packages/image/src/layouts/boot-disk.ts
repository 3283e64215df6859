import { join } from "node:path";
import { assert, type ByteSource, derivedUuid } from "@cvm-build/bytes";
import {
  convertDisk,
  DISK_SIZE_MULTIPLES,
  type DiskPartition,
  FileTree,
  GptHeader,
  layOutGpt,
  type Origin,
  parentOf,
  readGpt,
  SECTOR_BYTES,
  writeDisk,
  writeVfat,
} from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import { DISK_SUFFIXES, TABLE_SUFFIX } from "./disk-names.ts";
import { companionsBeside } from "../companions.ts";
import { fileDigest, type Generation } from "../output.ts";
import type { Surroundings } from "../surroundings.ts";

/** A disk that firmware starts a UKI from. */
export interface BootDiskParts {
  profile: Profile;
  /** Path of the UKI; what it is booted with stands beside it. */
  uki: string;
  /** Files of the EFI system partition beside the UKI and its companions, by their paths on it. */
  espFiles?: ReadonlyMap<string, string>;
  /** After the EFI system partition. */
  partitions: readonly DiskPartition[];
  /** Where parts are made. */
  folder: string;
}

/** A disk whose parts are made. */
export interface LaidOutDisk {
  profile: Profile;
  partitions: readonly DiskPartition[];
  /** Its first sectors, of which firmware measures the partition table. */
  table: Buffer;
  folder: string;
}

/** Where firmware looks on a medium that nobody told it of. @see UEFI Specification 2.10, 3.5.1.1 */
const REMOVABLE_MEDIA = { "x86-64": "/EFI/BOOT/BOOTX64.EFI", arm64: "/EFI/BOOT/BOOTAA64.EFI" } as const;
const ORIGIN: Origin = { kind: "finisher", name: "esp" };

/** Makes the EFI system partition, and says where everything will lie. */
export async function layOutBootDisk(request: BootDiskParts): Promise<LaidOutDisk> {
  const { profile, folder } = request;
  const partitions = [await espPartition(request), ...request.partitions];
  return { profile, folder, partitions, table: layOutGpt(partitions, diskOptions(profile)).primary };
}

/**
 * Writes a disk in every format that `DiskFormat=` names.
 * @returns names of its files in the output directory
 */
export async function writeBootDisk(
  { profile, partitions, table, folder }: LaidOutDisk,
  { generation, surroundings }: { generation: Generation; surroundings: Surroundings },
): Promise<string[]> {
  const { imageId, diskFormats } = profile.output;
  const nameOf = (format: keyof typeof DISK_SUFFIXES) => `${imageId}${DISK_SUFFIXES[format]}`;
  const rawPath = diskFormats.includes("raw") ? generation.path(nameOf("raw")) : join(folder, nameOf("raw"));
  const raw = writeDisk({ ...diskOptions(profile), output: rawPath, partitions });
  const tableName = `${imageId}${TABLE_SUFFIX}`;
  generation.write(tableName, table);
  for (const format of diskFormats) {
    surroundings.signal?.throwIfAborted();
    generation.written(nameOf(format), format === "raw" ? raw : await convert(format));
  }
  return [tableName, ...diskFormats.map(nameOf)];

  async function convert(format: "qcow2" | "vhd" | "gcp") {
    const output = generation.path(nameOf(format));
    await convertDisk({ path: rawPath }, { output, format, threads: surroundings.workers });
    return fileDigest(output);
  }
}

/**
 * The first sectors that a disk would have if another UKI were put on it.
 * @param request.last those that it has
 */
export async function tableWithUki(
  request: Pick<BootDiskParts, "profile" | "uki" | "folder"> & { last: Buffer },
): Promise<Buffer> {
  const esp = await espPartition(request);
  const [, ...others] = readGpt(diskOf(request.last)).partitions;
  const partitions = others.map(({ type, ...rest }) => {
    assert(type, "a disk of ours has partitions of known types");
    return { ...rest, type };
  });
  return layOutGpt([esp, ...partitions], diskOptions(request.profile)).primary;
}

/** A disk of which nothing is known but its first sectors: zeros follow. */
function diskOf(table: Buffer): ByteSource {
  const { alternateLba } = GptHeader.decode(table, SECTOR_BYTES);
  return {
    sizeBytes: (Number(alternateLba) + 1) * SECTOR_BYTES,
    read: (offsetBytes, sizeBytes) => {
      const bytes = Buffer.alloc(sizeBytes);
      table.subarray(offsetBytes, offsetBytes + sizeBytes).copy(bytes);
      return bytes;
    },
  };
}

/** An empty partition that becomes the encrypted disk for data at the first boot. */
export function dataPartition({ disk, storage, output }: Profile): DiskPartition[] {
  const { dataPartitionBytes: sizeBytes } = disk;
  const { dataDisk } = storage;
  if (sizeBytes === undefined || dataDisk === undefined) return [];
  const isNamed = dataDisk.by === "partlabel";
  return [
    {
      type: "linux-generic",
      uuid: isNamed ? derivedUuid(output.seed, "data") : dataDisk.name,
      label: isNamed ? dataDisk.name : `${output.imageId.slice(0, 30)}-data`,
      sizeBytes,
      flags: ["no-auto"],
    },
  ];
}

/** What of a disk does not follow from its partitions. The size fits every format, so that all have one partition table. */
function diskOptions({ output, distribution }: Profile) {
  const multiples = output.diskFormats.map((format) => (format === "raw" ? SECTOR_BYTES : DISK_SIZE_MULTIPLES[format]));
  return {
    diskUuid: derivedUuid(output.seed, "disk"),
    architecture: distribution.architecture,
    sizeMultipleBytes: Math.max(1 << 20, ...multiples),
  };
}

async function espPartition({
  profile,
  uki,
  espFiles,
  folder,
}: Pick<BootDiskParts, "profile" | "uki" | "espFiles" | "folder">): Promise<DiskPartition> {
  const { output, disk, content, distribution } = profile;
  const path = join(folder, "esp.vfat");
  const files = new Map<string, string>([
    [REMOVABLE_MEDIA[distribution.architecture], uki],
    ...companionsBeside(uki).map(({ espPath, hostPath }) => [`/${espPath}`, hostPath] as const),
    ...(espFiles ?? []),
  ]);
  const { sizeBytes } = await writeVfat(espTree(files, content.sourceDateEpochSec), {
    output: path,
    label: "ESP",
    serial: Number.parseInt(derivedUuid(output.seed, "esp").slice(0, 8), 16),
    mtimeClampSec: content.sourceDateEpochSec,
    // As UEFI has it for media that stay in a machine.
    variant: "fat32",
    ...(disk.espSizeBytes !== undefined && { sizeBytes: disk.espSizeBytes }),
  });
  return { type: "esp", uuid: derivedUuid(output.seed, "esp"), label: "esp", sizeBytes, content: { path } };
}

/** A tree of the files that go to an EFI system partition. */
function espTree(files: ReadonlyMap<string, string>, mtimeSec: number): FileTree {
  const attributes = { uid: 0, gid: 0, mtimeSec, origin: ORIGIN };
  const tree = new FileTree({ mode: 0o755, ...attributes });
  for (const [path, hostPath] of files) {
    tree.makeDirectories(parentOf(path), ORIGIN);
    const { sizeBytes, sha256 } = fileDigest(hostPath);
    const content = { sizeBytes, sha256, file: { path: hostPath, offsetBytes: 0 } };
    tree.set(path, { kind: "file", mode: 0o644, ...attributes, content });
  }
  return tree;
}
