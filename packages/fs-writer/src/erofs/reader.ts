import { type ByteSource, chunksOf, FormatError } from "@cvm-build/bytes";
import { decodeArchiveText } from "../archive-text.ts";
import { PATH_MAX_BYTES } from "../archive-path.ts";
import { clusterRuns } from "./decompression/cluster-runs.ts";
import { decodeCluster } from "./decompression/decode-cluster.ts";
import { decodeDirectory, type ErofsEntry } from "./reading/directory.ts";
import { chunkRuns, flatRuns } from "./reading/flat-runs.ts";
import { type ErofsInode, readInode } from "./reading/inode.ts";
import { PackedContent } from "./reading/packed-content.ts";
import type { ErofsRun } from "./reading/run.ts";
import { type ErofsFacts, type ErofsVolume, readSuperblock } from "./reading/superblock.ts";
import { decodePrefixes, XattrReader } from "./reading/xattrs.ts";

/** What may be decompressed in all unless more is allowed. */
export const EROFS_MAX_DECODED_BYTES = 2 ** 35;
/** A directory of this size has a million names at least. */
const MAX_DIRECTORY_BYTES = 2 ** 28;
/** What a hole is read as, a piece at a time. */
const ZEROS = Buffer.alloc(1 << 17);

/** How far an image is trusted. */
export interface OpenErofsOptions {
  /**
   * How many bytes may be decompressed in all: parts of what many files share count each time they are, and clusters count
   * as large as they are where only a little of them is wanted.
   */
  maxDecodedBytes?: number;
}

/**
 * Opens an erofs image.
 * @throws FormatError where its superblock is damaged, or asks for what is not supported: several devices, 48-bit
 * addresses, compressed metadata
 */
export function openErofs(source: ByteSource, options: OpenErofsOptions = {}): ErofsImage {
  return new ErofsImage(source, options);
}

/** An erofs image. Every method throws `FormatError`, and nothing else, where what it reads is damaged. */
export class ErofsImage {
  readonly facts: ErofsFacts;
  readonly #volume: ErofsVolume;
  readonly #xattrs: XattrReader;
  #packed: PackedContent | undefined;
  #decodableBytes: number;

  constructor(source: ByteSource, { maxDecodedBytes = EROFS_MAX_DECODED_BYTES }: OpenErofsOptions) {
    const { facts, volume } = readSuperblock(source);
    this.facts = facts;
    this.#volume = volume;
    this.#xattrs = new XattrReader(volume, () => this.#readPrefixes());
    this.#decodableBytes = maxDecodedBytes;
  }

  /** The inode of `/`. */
  get root(): ErofsInode {
    const root = this.inode(this.#volume.rootNid);
    if (root.kind === "directory") return root;
    throw new FormatError({ record: "ErofsSuperblock", field: "rootNid" }, `expected a directory, got ${root.kind}`);
  }

  /** The inode of that number. */
  inode(nid: number): ErofsInode {
    return readInode(this.#volume, nid);
  }

  /** What is in a directory, in the order of names' bytes, without `.` and `..`. */
  *entries(directory: ErofsInode, options: { parentNid: number }): Generator<ErofsEntry> {
    const { blockBytes } = this.#volume;
    const data = this.#readSmall(directory, MAX_DIRECTORY_BYTES);
    yield* decodeDirectory(data, { nid: directory.nid, parentNid: options.parentNid, blockBytes });
  }

  /** Where a symbolic link leads. */
  target(symlink: ErofsInode): string {
    const place = { record: "erofs", field: "symlink" };
    if (symlink.sizeBytes === 0) throw new FormatError(place, `expected a target of inode ${symlink.nid}`);
    const target = decodeArchiveText(this.#readSmall(symlink, PATH_MAX_BYTES - 1), place);
    if (target.includes("\0")) throw new FormatError(place, `expected a target without NUL of inode ${symlink.nid}`);
    return target;
  }

  /** Extended attributes by full name, or undefined where there are none. */
  xattrs(inode: ErofsInode): ReadonlyMap<string, Uint8Array> | undefined {
    return this.#xattrs.read(inode);
  }

  /** Where the bytes of a file, symbolic link or directory come from. */
  runs(inode: ErofsInode): Iterable<ErofsRun> {
    switch (inode.layout) {
      case "flatPlain":
      case "flatInline":
        return flatRuns(this.#volume, inode);
      case "chunkBased":
        return chunkRuns(this.#volume, inode);
      case "compressedFull":
      case "compressedCompact":
        return clusterRuns(this.#volume, inode);
    }
  }

  /** The content of an inode in buffers of at most 12 MiB that callers do not change, holes as zeros. */
  *content(inode: ErofsInode): Generator<Buffer> {
    for (const run of this.runs(inode)) yield* this.contentOfRun(run);
  }

  /** The bytes of one run, as `content` has them. */
  *contentOfRun(run: ErofsRun): Generator<Buffer> {
    switch (run.kind) {
      case "hole":
        for (let done = 0; done < run.sizeBytes; done += ZEROS.length) {
          yield ZEROS.subarray(0, Math.min(ZEROS.length, run.sizeBytes - done));
        }
        return;
      case "stored":
        yield* chunksOf(this.#volume.data, { offsetBytes: run.physicalOffsetBytes, sizeBytes: run.sizeBytes });
        return;
      case "fragment":
        yield* this.#packedContent().read(run.packedOffsetBytes, run.sizeBytes);
        return;
      default:
        yield this.#encodedRun(run);
    }
  }

  #encodedRun(run: ErofsRun & { kind: "interlaced" | "cluster" }): Buffer {
    const { data, blockBytes, hasZeroPadding } = this.#volume;
    const { sizeBytes, physicalOffsetBytes } = run;
    if (run.kind === "interlaced") {
      const block = data.read(physicalOffsetBytes, blockBytes);
      const start = run.offsetBytes % blockBytes;
      return Buffer.concat([block.subarray(start), block.subarray(0, start)]).subarray(0, sizeBytes);
    }
    const decoded = decodeCluster(data.read(physicalOffsetBytes, run.physicalSizeBytes), {
      algorithm: run.algorithm,
      sizeBytes,
      // Zeros behind compressed data cannot be told from it.
      isPartial: run.isPartial || !hasZeroPadding,
      zerosBytes: hasZeroPadding ? blockBytes : 0,
    });
    this.#decodableBytes -= Math.max(decoded.length, run.physicalSizeBytes);
    if (this.#decodableBytes >= 0) return decoded.subarray(0, sizeBytes);
    throw new FormatError({ record: "erofs" }, "expected less to decompress in all than the limit allows");
  }

  #packedContent(): PackedContent {
    const { packedNid } = this.#volume;
    if (packedNid === undefined)
      throw new FormatError({ record: "erofs", field: "fragment" }, "expected a packed inode");
    return (this.#packed ??= new PackedContent(this, this.inode(packedNid)));
  }

  #readPrefixes(): string[] {
    const { prefixes, source } = this.#volume;
    if (!prefixes.isInPackedInode) return decodePrefixes(prefixes, (offset, size) => source.read(offset, size));
    const packed = this.#packedContent();
    return decodePrefixes(prefixes, (offset, size) => Buffer.concat([...packed.read(offset, size)]));
  }

  #readSmall(inode: ErofsInode, maxBytes: number): Buffer {
    if (inode.sizeBytes > maxBytes) {
      throw new FormatError({ record: "erofs" }, `expected at most ${maxBytes} bytes of ${inode.kind} ${inode.nid}`);
    }
    return Buffer.concat([...this.content(inode)]);
  }
}
