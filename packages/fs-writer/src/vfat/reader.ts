import { type ByteSource, bytesSource, FormatError, sliceSource } from "@cvm-build/bytes";
import { PATH_MAX_BYTES } from "../archive-path.ts";
import { contentOf } from "../content.ts";
import { FileTree } from "../file-tree.ts";
import type { Origin } from "../tree.ts";
import { ChainReader, chainSource } from "./allocation-table.ts";
import { type Listing, readDirectory } from "./directory-reader.ts";
import { ATTRIBUTE, DirectoryEntry } from "./format.ts";
import { clusterBytesOf, type Geometry, rootSectorOf } from "./geometry.ts";
import { readBootSector } from "./volume.ts";

/** A file or directory of a volume. */
export interface VfatEntry {
  /** Absolute and normalised. */
  path: string;
  kind: "file" | "directory";
  /** What Linux shows where it is not told otherwise: 0755, without the write bits where the entry is read-only. */
  mode: number;
  mtimeSec: number;
  /** A file's content; nothing for a directory. */
  data: ByteSource;
}

/** A FAT volume, open. */
export interface VfatVolume {
  geometry: Geometry;
  oemName: string;
  serial: number | undefined;
  /** The root directory's, which is what counts, else the boot sector's; empty where it has none. */
  label: string;
  /**
   * All entries, parents before what is in them.
   * @throws FormatError where a directory or a chain of clusters is damaged
   */
  entries(): Generator<VfatEntry>;
}

/** How much of a volume may be read into memory. */
export interface ReadVfatOptions {
  maxSizeBytes?: number;
}

const DEFAULT_MAX_SIZE_BYTES = 2 ** 31;
const DEFAULT_MODE = 0o755;
const WRITE_BITS = 0o222;

/**
 * Opens a FAT volume of any variant, whoever made it.
 * @throws FormatError where its boot sector or root directory is damaged
 * @see Microsoft, FAT: General Overview of On-Disk Format 1.03
 */
export function openVfat(source: ByteSource): VfatVolume {
  const { geometry, rootCluster, oemName, identity } = readBootSector(source);
  const volume = { source, geometry, rootCluster };
  return {
    geometry,
    oemName,
    serial: identity?.serial,
    label: readRoot(volume, new ChainReader(source, geometry)).label ?? identity?.label ?? "",
    entries: () => walk(volume),
  };
}

/**
 * A volume as a tree with its contents in memory.
 * @param options.origin what the nodes are said to come from
 * @throws FormatError as `openVfat` and its `entries` do
 */
export function readVfatTree(source: ByteSource, options: ReadVfatOptions & { origin: Origin }): FileTree {
  const { origin } = options;
  const owner = { uid: 0, gid: 0, origin };
  const tree = new FileTree({ ...owner, mode: DEFAULT_MODE, mtimeSec: 0 });
  let leftBytes = options.maxSizeBytes ?? DEFAULT_MAX_SIZE_BYTES;
  for (const { path, kind, mode, mtimeSec, data } of openVfat(source).entries()) {
    leftBytes -= data.sizeBytes;
    if (leftBytes < 0) throw new FormatError({ record: "FAT" }, `expected contents within the bound, got "${path}"`);
    const attributes = { ...owner, mode, mtimeSec };
    if (kind === "directory") tree.set(path, { ...attributes, kind });
    else tree.set(path, { ...attributes, kind, content: contentOf(data.read(0, data.sizeBytes)) });
  }
  return tree;
}

interface Volume {
  source: ByteSource;
  geometry: Geometry;
  rootCluster: number;
}

/** Every directory has a cluster of its own, so that the walk ends. */
function* walk(volume: Volume): Generator<VfatEntry> {
  const chains = new ChainReader(volume.source, volume.geometry);
  const waiting: { path: string; listing: () => Listing }[] = [{ path: "", listing: () => readRoot(volume, chains) }];
  for (let at = waiting.pop(); at; at = waiting.pop()) {
    const directories: typeof waiting = [];
    const known = new Set<string>();
    for (const entry of at.listing().entries) {
      const path = `${at.path}/${entry.name}`;
      if (known.has(entry.name) || Buffer.byteLength(path) >= PATH_MAX_BYTES) {
        throw new FormatError({ record: "DirectoryEntry", field: "name" }, `expected one short name for "${path}"`);
      }
      known.add(entry.name);
      const isDirectory = (entry.attributes & ATTRIBUTE.directory) !== 0;
      const isReadOnly = (entry.attributes & ATTRIBUTE.readOnly) !== 0;
      const mode = isReadOnly && !isDirectory ? DEFAULT_MODE & ~WRITE_BITS : DEFAULT_MODE;
      const facts = { path, mode, mtimeSec: entry.mtimeSec };
      if (isDirectory) {
        const listing = (): Listing => readDirectory(wholeChain(volume, chains, { ...entry, path }), path);
        directories.push({ path, listing });
        yield { ...facts, kind: "directory", data: EMPTY };
      } else {
        yield { ...facts, kind: "file", data: fileSource(volume, chains, { ...entry, path }) };
      }
    }
    waiting.push(...directories.reverse());
  }
}

const EMPTY = bytesSource(Buffer.alloc(0));

function readRoot({ source, geometry, rootCluster }: Volume, chains: ChainReader): Listing {
  if (geometry.variant === "fat32") {
    return readDirectory(wholeChain({ source, geometry }, chains, { cluster: rootCluster, path: "/" }), "/");
  }
  const offsetBytes = rootSectorOf(geometry) * geometry.sectorBytes;
  return readDirectory(sliceSource(source, offsetBytes, geometry.rootEntries * DirectoryEntry.sizeBytes), "/");
}

type Place = { cluster: number; path: string };

function wholeChain(volume: Pick<Volume, "source" | "geometry">, chains: ChainReader, place: Place): ByteSource {
  const { source, geometry } = volume;
  const runs = chains.follow(place.cluster, place.path);
  const sizeBytes = runs.reduce((sum, { count }) => sum + count, 0) * clusterBytesOf(geometry);
  return chainSource(source, { runs, geometry, sizeBytes, what: place.path });
}

function fileSource(volume: Volume, chains: ChainReader, file: Place & { sizeBytes: number }): ByteSource {
  const { source, geometry } = volume;
  const { cluster, sizeBytes, path } = file;
  const runs = cluster === 0 ? [] : chains.follow(cluster, path);
  return chainSource(source, { runs, geometry, sizeBytes, what: path });
}
