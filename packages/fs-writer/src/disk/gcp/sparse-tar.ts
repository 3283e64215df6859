import { alignUp, assert, borrowedChunksOf, type ByteSource, paddingTo } from "@cvm-build/bytes";
import type { Extent } from "../data-extents.ts";
import {
  GCP_DISK_NAME,
  OLD_GNU_MAGIC,
  OldGnuHeader,
  SPARSE_TYPEFLAG,
  SparseEntry,
  SparseExtension,
  SPARSES_IN_EXTENSION,
  SPARSES_IN_HEADER,
  TAR_BLOCK_BYTES,
  TAR_RECORD_BYTES,
} from "./format.ts";

/**
 * An archive with a disk in it as a sparse file, in buffers that are each good only until the next is asked for.
 * @param options.extents what of the disk is stored
 * @param options.sizeBytes of the file, which may be longer than the disk
 * @see GNU tar manual, "Basic Tar Format", "Storing Sparse Files"
 */
export function* sparseTar(
  disk: ByteSource,
  { extents, sizeBytes }: { extents: readonly Extent[]; sizeBytes: number },
): Generator<Buffer> {
  const storedBytes = extents.reduce((sum, extent) => sum + extent.sizeBytes, 0);
  // An empty stretch at its end gives the file its size.
  const headers = encodeHeaders([...extents, { offsetBytes: sizeBytes, sizeBytes: 0 }], { storedBytes, sizeBytes });
  yield headers;
  for (const extent of extents) yield* borrowedChunksOf(disk, extent);
  const dataEnd = headers.length + alignUp(storedBytes, TAR_BLOCK_BYTES);
  const end = alignUp(dataEnd + 2 * TAR_BLOCK_BYTES, TAR_RECORD_BYTES);
  yield Buffer.alloc(paddingTo(storedBytes, TAR_BLOCK_BYTES) + end - dataEnd);
}

function encodeHeaders(
  extents: readonly Extent[],
  { storedBytes, sizeBytes }: { storedBytes: number; sizeBytes: number },
): Buffer {
  const blocks = [encodeHeader(extents, { storedBytes, sizeBytes })];
  for (let at = SPARSES_IN_HEADER; at < extents.length; at += SPARSES_IN_EXTENSION) {
    const end = at + SPARSES_IN_EXTENSION;
    blocks.push(
      SparseExtension.encode({
        sparse: encodeExtents(extents.slice(at, end), SPARSES_IN_EXTENSION),
        isExtended: Buffer.of(end < extents.length ? 1 : 0),
        padding: Buffer.alloc(7),
      }),
    );
  }
  return Buffer.concat(blocks);
}

function encodeHeader(
  extents: readonly Extent[],
  { storedBytes, sizeBytes }: { storedBytes: number; sizeBytes: number },
): Buffer {
  const header = OldGnuHeader.encode({
    name: GCP_DISK_NAME,
    mode: 0o644,
    uid: 0,
    gid: 0,
    sizeBytes: storedBytes,
    mtimeSec: 0,
    checksum: Buffer.alloc(8, " "),
    typeflag: SPARSE_TYPEFLAG,
    linkname: "",
    magic: OLD_GNU_MAGIC,
    uname: "",
    gname: "",
    devices: Buffer.alloc(16),
    unused: Buffer.alloc(41),
    sparse: encodeExtents(extents.slice(0, SPARSES_IN_HEADER), SPARSES_IN_HEADER),
    isExtended: Buffer.of(extents.length > SPARSES_IN_HEADER ? 1 : 0),
    realSizeBytes: sizeBytes,
    padding: Buffer.alloc(17),
  });
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, OldGnuHeader.offsetOf("checksum"), "latin1");
  return header;
}

function encodeExtents(extents: readonly Extent[], length: number): Buffer {
  assert(extents.length <= length, `expected at most ${length} stretches, got ${extents.length}`);
  const bytes = Buffer.alloc(length * SparseEntry.sizeBytes);
  for (const [index, extent] of extents.entries())
    SparseEntry.encode(extent).copy(bytes, index * SparseEntry.sizeBytes);
  return bytes;
}
