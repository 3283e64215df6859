import { type ByteSource, FormatError, sliceSource } from "@cvm-build/bytes";
import type { Extent } from "../data-extents.ts";
import {
  OLD_GNU_MAGIC,
  OldGnuHeader,
  SPARSE_TYPEFLAG,
  SparseEntry,
  SparseExtension,
  SPARSES_IN_EXTENSION,
  SPARSES_IN_HEADER,
  TAR_BLOCK_BYTES,
} from "./format.ts";

/** Stretches that one file may have: of the smallest that GNU tar makes, more than 2 TiB. */
const MAX_EXTENTS = 1 << 22;

/** Says whether an archive, not compressed, begins with a sparse file as old GNU tar has them. */
export function isSparseTar(source: ByteSource): boolean {
  if (source.sizeBytes < TAR_BLOCK_BYTES) return false;
  const block = source.read(0, TAR_BLOCK_BYTES);
  const { magic, typeflag } = OldGnuHeader.decode(block);
  return magic === OLD_GNU_MAGIC && typeflag === SPARSE_TYPEFLAG;
}

/**
 * The sparse file at the start of an archive, with its holes as zeros; what follows it is not looked at.
 * @throws FormatError
 * @see GNU tar manual, "Basic Tar Format", "Storing Sparse Files"
 */
export function openSparseTar(source: ByteSource): ByteSource {
  const header = OldGnuHeader.decode(source.read(0, Math.min(source.sizeBytes, TAR_BLOCK_BYTES)));
  const { sizeBytes: storedBytes, realSizeBytes } = header;
  const extents = decodeExtents(header.sparse, SPARSES_IN_HEADER);
  let at = TAR_BLOCK_BYTES;
  for (let isExtended = header.isExtended[0] !== 0; isExtended; at += TAR_BLOCK_BYTES) {
    const block = SparseExtension.decode(source.read(at, TAR_BLOCK_BYTES));
    for (const extent of decodeExtents(block.sparse, SPARSES_IN_EXTENSION)) extents.push(extent);
    if (extents.length > MAX_EXTENTS) throw refuse(`at most ${MAX_EXTENTS} stretches`);
    isExtended = block.isExtended[0] !== 0;
  }
  checkExtents(extents, { storedBytes, realSizeBytes });
  const stored = sliceSource(source, at, storedBytes);
  return sparseSource(stored, { extents, sizeBytes: realSizeBytes });
}

/** Those that are used: the others are NULs. */
function decodeExtents(bytes: Buffer, length: number): Extent[] {
  const offsets = Array.from({ length }, (_, index) => index * SparseEntry.sizeBytes);
  return offsets.filter((offset) => bytes[offset] !== 0).map((offset) => SparseEntry.decode(bytes, offset));
}

function checkExtents(
  extents: readonly Extent[],
  { storedBytes, realSizeBytes }: { storedBytes: number; realSizeBytes: number },
): void {
  let end = 0;
  let sum = 0;
  for (const { offsetBytes, sizeBytes } of extents) {
    const isNumber = Number.isSafeInteger(offsetBytes) && Number.isSafeInteger(sizeBytes) && sizeBytes >= 0;
    if (!isNumber || offsetBytes < end) throw refuse(`a stretch from ${end} on, got ${offsetBytes}`);
    end = offsetBytes + sizeBytes;
    sum += sizeBytes;
  }
  if (!Number.isSafeInteger(realSizeBytes) || end > realSizeBytes) throw refuse(`a size from ${end} on`);
  if (sum !== storedBytes) throw refuse(`stretches of ${storedBytes} bytes in all, got ${sum}`);
}

function sparseSource(
  stored: ByteSource,
  { extents, sizeBytes }: { extents: readonly Extent[]; sizeBytes: number },
): ByteSource {
  const places: (Extent & { storedOffsetBytes: number })[] = [];
  let storedOffsetBytes = 0;
  for (const extent of extents) {
    if (extent.sizeBytes > 0) places.push({ ...extent, storedOffsetBytes });
    storedOffsetBytes += extent.sizeBytes;
  }
  return {
    sizeBytes,
    read(offsetBytes, lengthBytes) {
      if (offsetBytes < 0 || lengthBytes < 0 || offsetBytes + lengthBytes > sizeBytes) {
        throw new FormatError({ record: "sparse file", offsetBytes }, `expected at most ${sizeBytes} bytes`);
      }
      const bytes = Buffer.alloc(lengthBytes);
      for (let index = firstEndingAfter(places, offsetBytes); index < places.length; index++) {
        const place = places[index]!;
        const from = Math.max(place.offsetBytes, offsetBytes);
        const to = Math.min(place.offsetBytes + place.sizeBytes, offsetBytes + lengthBytes);
        if (from >= to) break;
        stored.read(place.storedOffsetBytes + from - place.offsetBytes, to - from).copy(bytes, from - offsetBytes);
      }
      return bytes;
    },
  };
}

function firstEndingAfter(places: readonly Extent[], offsetBytes: number): number {
  let low = 0;
  for (let high = places.length; low < high;) {
    const middle = (low + high) >> 1;
    const { offsetBytes: start, sizeBytes } = places[middle]!;
    if (start + sizeBytes > offsetBytes) high = middle;
    else low = middle + 1;
  }
  return low;
}

function refuse(expected: string): FormatError {
  return new FormatError({ record: "OldGnuHeader", field: "sparse" }, `expected ${expected}`);
}
