import { type FileSource, FormatError, openFileSource, type Sha256Hex, sourceSha256 } from "@cvm-build/bytes";
import type { Origin } from "../tree.ts";

/** The kind under which segments are kept in a `DerivedCache`. */
export const SEGMENT_KIND = "segment";

/** Goes up when the same entries would give other uncompressed bytes or another cut into segments. */
export const SEGMENT_FORMAT_VERSION = 1;

/**
 * A part of an initrd: one compressed cpio archive with its trailer, padded with zeros to a multiple of 4 bytes, so that
 * segments one after the other are an initrd.
 */
export interface Segment {
  /** Who put the entries into the tree. The first segment holds the directories, which may have several origins. */
  origin: Origin | "directories";
  /** Key under `SEGMENT_KIND` in the cache. */
  key: Sha256Hex;
  path: string;
  sizeBytes: number;
  sha256: Sha256Hex;
  entryCount: number;
  /** The archive before compression. */
  uncompressedSizeBytes: number;
  /** Whether an earlier build had made it. Its bytes are then not yet compared with `sha256`. */
  fromCache: boolean;
}

/** Opens the bytes of a segment; `using` closes them. They are not compared: hash them on the way or verify first. */
export function segmentSource(segment: Segment): FileSource {
  return openFileSource(segment.path);
}

/**
 * Compares a segment's bytes with its digest.
 * @throws FormatError where they differ: a torn cache object, to be discarded under its key and packed again
 */
export function verifySegment(segment: Segment): void {
  using source = segmentSource(segment);
  if (source.sizeBytes === segment.sizeBytes && sourceSha256(source) === segment.sha256) return;
  throw new FormatError({ record: segment.path }, `expected a segment with SHA-256 ${segment.sha256}`);
}
