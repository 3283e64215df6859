import { closeSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { alignUp, CvmError, writeFully } from "@cvm-build/bytes";
import { ContentReader } from "../content.ts";
import type { FileTree } from "../file-tree.ts";
import { encodeTable } from "./allocation-table.ts";
import { encodeReserved } from "./boot-sector.ts";
import { encodeDotEntries, encodeEntry, encodeLabelEntry } from "./directory.ts";
import { ATTRIBUTE, type FatVariant, SECTOR_BYTES } from "./format.ts";
import { clusterOffsetBytes, type Geometry, layOutVolume, rootSectorOf } from "./geometry.ts";
import {
  directoryCluster,
  parentCluster,
  placeContents,
  type Placement,
  planDirectories,
  type PlannedDirectory,
} from "./plan.ts";

/** What beside the tree determines a volume. */
export interface VfatOptions {
  /** At least that of one sector, in whole sectors; grown in steps of 1 MiB until everything fits where absent. */
  sizeBytes?: number;
  /** As mkfs.fat decides by the size where absent. An EFI system partition is `fat32` by the letter of UEFI. */
  variant?: FatVariant;
  /** At most eleven upper-case letters, digits, spaces, `-` and `_`; none where empty. */
  label: string;
  /** 32 bits that tell volumes apart. */
  serial: number;
  /** No entry is newer than this: seconds since 1970. What is older than 1980, FAT's beginning, is of 1980. */
  mtimeClampSec: number;
}

/** A volume that was written. */
export interface WrittenVfat {
  sizeBytes: number;
  variant: FatVariant;
  clusterBytes: number;
}

const GROWTH_BYTES = 1 << 20;

/**
 * Writes a tree of files and directories as a FAT volume: long names, contents one after the other without gaps, holes
 * where nothing lies. Owners, modes and extended attributes have no place in it.
 * @throws CvmError `archive` where FAT cannot hold the tree or the size does not; FormatError where a content is no
 * longer what its digest says
 * @see Microsoft, FAT: General Overview of On-Disk Format 1.03
 */
export async function writeVfat(tree: FileTree, options: VfatOptions & { output: string }): Promise<WrittenVfat> {
  checkOptions(options);
  const directories = planDirectories(tree, { hasLabel: options.label !== "" });
  const { geometry, placement, usedClusters } = layOut(directories, options);
  const file = openSync(options.output, "w", 0o644);
  try {
    const sizeBytes = geometry.totalSectors * SECTOR_BYTES;
    ftruncateSync(file, sizeBytes);
    writeFully(file, encodeReserved(geometry, { ...options, usedClusters }), 0);
    const table = encodeTable(geometry.variant, [...placement.values()]);
    for (let copy = 0; copy < geometry.tables; copy++) {
      writeFully(file, table, (geometry.reservedSectors + copy * geometry.tableSectors) * SECTOR_BYTES);
    }
    for (const directory of directories) {
      const bytes = encodeDirectory(directory, { placement, options });
      const cluster = placement.get(directory.path)?.first;
      const isFixed = cluster === undefined;
      writeFully(file, bytes, isFixed ? rootSectorOf(geometry) * SECTOR_BYTES : clusterOffsetBytes(geometry, cluster));
    }
    writeContents(file, directories, { geometry, placement });
    return { sizeBytes, variant: geometry.variant, clusterBytes: geometry.sectorsPerCluster * SECTOR_BYTES };
  } catch (error) {
    rmSync(options.output, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

interface Layout {
  geometry: Geometry;
  placement: Placement;
  usedClusters: number;
}

function layOut(directories: readonly PlannedDirectory[], { sizeBytes, variant }: VfatOptions): Layout {
  const rootDirectoryEntries = directories[0]?.records ?? 0;
  const attempt = (size: number): { layout: Layout; missingBytes: number } | undefined => {
    const geometry = layOutVolume(size, { variant, rootDirectoryEntries });
    if (!geometry) return undefined;
    const placed = placeContents(directories, geometry);
    const missing = Math.max(0, placed.usedClusters - geometry.clusters);
    return {
      layout: { geometry, ...placed },
      missingBytes: missing * geometry.sectorsPerCluster * SECTOR_BYTES,
    };
  };
  if (sizeBytes !== undefined) {
    const tried = attempt(sizeBytes);
    if (!tried) throw sizeRefusal(sizeBytes, `a size that ${variant ?? "FAT"} has volumes of`);
    if (tried.missingBytes === 0) return tried.layout;
    throw sizeRefusal(sizeBytes, `at least ${tried.missingBytes} bytes more`);
  }
  for (let size = GROWTH_BYTES; size <= SECTOR_BYTES * 0xffffffff;) {
    const tried = attempt(size);
    if (tried?.missingBytes === 0) return tried.layout;
    size += Math.max(GROWTH_BYTES, alignUp(tried?.missingBytes ?? 0, GROWTH_BYTES));
    if (variant !== undefined && variant !== "fat32" && !tried && size > 2 ** 33) break;
  }
  throw new CvmError("archive", `cannot pack a FAT volume: expected files that ${variant ?? "FAT"} has room for`);
}

function sizeRefusal(sizeBytes: number, expected: string): CvmError<"archive"> {
  return new CvmError("archive", `cannot pack a FAT volume of ${sizeBytes} bytes: expected ${expected}`, {
    hint: "make it larger, or leave its size out and it grows to fit",
    details: { sizeBytes },
  });
}

function encodeDirectory(
  { path, mtimeSec, entries }: PlannedDirectory,
  { placement, options }: { placement: Placement; options: VfatOptions },
): Buffer {
  const clamp = (sec: number): number => Math.min(sec, options.mtimeClampSec);
  const own = {
    attributes: ATTRIBUTE.directory,
    cluster: directoryCluster(path, placement),
    sizeBytes: 0,
    mtimeSec: clamp(mtimeSec),
  };
  const records: Buffer[] = [];
  if (path !== "/") records.push(encodeDotEntries(own, parentCluster(path, placement)));
  else if (options.label !== "") records.push(encodeLabelEntry(options.label, options.mtimeClampSec));
  for (const { path: entryPath, name, node } of entries) {
    const isFile = node.kind === "file";
    records.push(
      encodeEntry(name, {
        attributes: isFile ? ATTRIBUTE.archive : ATTRIBUTE.directory,
        cluster: placement.get(entryPath)?.first ?? 0,
        sizeBytes: isFile ? node.content.sizeBytes : 0,
        mtimeSec: clamp(node.mtimeSec),
      }),
    );
  }
  return Buffer.concat(records);
}

function writeContents(
  file: number,
  directories: readonly PlannedDirectory[],
  { geometry, placement }: { geometry: Geometry; placement: Placement },
): void {
  using reader = new ContentReader();
  for (const { path, node } of directories.flatMap(({ entries }) => entries)) {
    const run = placement.get(path);
    if (node.kind !== "file" || !run) continue;
    let at = clusterOffsetBytes(geometry, run.first);
    for (const chunk of reader.chunks(node.content)) {
      writeFully(file, chunk, at);
      at += chunk.length;
    }
  }
}

function checkOptions({ label, serial, sizeBytes, mtimeClampSec }: VfatOptions): void {
  const refuse = (what: string, expected: string, got: unknown): never => {
    throw new CvmError("archive", `cannot pack a FAT volume: expected ${expected}, got ${JSON.stringify(got)}`, {
      details: { [what]: got },
    });
  };
  if (!/^(?! )[A-Z0-9 _-]{0,11}$/.test(label) || label.endsWith(" ")) {
    refuse("label", "a label of at most eleven upper-case letters, digits, spaces, - and _", label);
  }
  if (!Number.isInteger(serial) || serial < 0 || serial > 0xffffffff) refuse("serial", "a serial of 32 bits", serial);
  if (!Number.isSafeInteger(mtimeClampSec)) refuse("mtimeClampSec", "a time in whole seconds", mtimeClampSec);
  if (sizeBytes !== undefined && (!Number.isSafeInteger(sizeBytes) || sizeBytes % SECTOR_BYTES !== 0)) {
    refuse("sizeBytes", `a size in whole sectors of ${SECTOR_BYTES} bytes`, sizeBytes);
  }
}
