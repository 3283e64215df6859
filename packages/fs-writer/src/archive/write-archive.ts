import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { finishSha256, type Sha256Hex, writeFully } from "@cvm-build/bytes";
import { checkCompression, type Compression, compressChunks } from "../compression/compress.ts";
import { cpioSizeBytes, encodeCpio, layOutCpio, type XattrLoss, xattrLosses } from "../cpio/writer.ts";
import type { FileTree } from "../file-tree.ts";
import { layOutTar, type TarLayout } from "../tar/tree.ts";

/** How a tree becomes one archive. */
export interface ArchiveOptions {
  format: ArchiveFormat;
  /** Path of the file, which is written over. */
  output: string;
  compression: Compression;
  /** No entry is newer than this: seconds since 1970. */
  mtimeClampSec: number;
}

/** Formats of archives that a whole tree can be. */
export type ArchiveFormat = keyof typeof LAYOUTS;

/** An archive as it was written. */
export interface WrittenArchive {
  sizeBytes: number;
  sha256: Sha256Hex;
  uncompressedSizeBytes: number;
  /** Extended attributes that the format cannot carry, in tree order. */
  losses: XattrLoss[];
}

/** Each format: how a tree is laid out in it, and whether it carries extended attributes. */
const LAYOUTS = {
  cpio: {
    layOut(tree: FileTree, options: { mtimeClampSec: number }): TarLayout {
      const records = layOutCpio(tree.entries(), options);
      return { sizeBytes: cpioSizeBytes(records), chunks: () => encodeCpio(records) };
    },
    hasXattrs: false,
  },
  tar: { layOut: layOutTar, hasXattrs: true },
} as const;

/**
 * Writes a tree as one archive, compressed as a whole, in memory that does not grow with it. The same tree and settings give
 * the same bytes.
 * @throws CvmError `archive` where a node does not fit the format, `compression`; FormatError where a file's content is no
 * longer what its digest says
 */
export async function writeArchive(tree: FileTree, options: ArchiveOptions): Promise<WrittenArchive> {
  const { format, output, compression, mtimeClampSec } = options;
  checkCompression(compression);
  const { layOut, hasXattrs } = LAYOUTS[format];
  const layout = layOut(tree, { mtimeClampSec });
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const file = openSync(output, "w", 0o644);
  try {
    for await (const chunk of compressChunks(layout.chunks(), { compression, sizeBytes: layout.sizeBytes })) {
      hash.update(chunk);
      writeFully(file, chunk);
      sizeBytes += chunk.length;
    }
  } finally {
    closeSync(file);
  }
  return {
    sizeBytes,
    sha256: finishSha256(hash),
    uncompressedSizeBytes: layout.sizeBytes,
    losses: hasXattrs ? [] : xattrLosses(tree.entries()),
  };
}
