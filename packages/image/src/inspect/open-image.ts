import { type ByteSource, bytesSource, chunksOf, sliceSource } from "@cvm-build/bytes";
import {
  decompress,
  detectCompression,
  isSparseTar,
  openDisk,
  openSparseTar,
  readTar,
  type TarEntry,
} from "@cvm-build/fs-writer";
import { startsCpio, TAR } from "./formats/archives.ts";
import type { Workspace } from "./workspace.ts";

/** An image without what it was packed in. */
export interface OpenedImage {
  source: ByteSource;
  /** What was taken off, outermost first. */
  layers: string[];
}

/** More wrappings than anyone would use. */
const MAX_LAYERS = 6;
const MAX_IMAGE_BYTES = 2 ** 36;
/** The name that Google's cloud wants of the only entry of an archive with a disk. */
const DISK_ENTRY = "disk.raw";

/**
 * Takes off compression and containers of disks. A compressed initrd stays as it is: its reader takes off zstd and gzip
 * itself, archive by archive.
 * @throws FormatError
 */
export async function openImage(image: ByteSource, workspace: Workspace): Promise<OpenedImage> {
  const opened: OpenedImage = { source: image, layers: [] };
  for (let layer = 0; layer < MAX_LAYERS; layer++) {
    const next = await unwrap(opened.source, workspace);
    if (!next) break;
    opened.source = next.source;
    opened.layers.push(next.layer);
  }
  return opened;
}

async function unwrap(
  source: ByteSource,
  workspace: Workspace,
): Promise<{ source: ByteSource; layer: string } | undefined> {
  const compression = detectCompression(source.read(0, Math.min(6, source.sizeBytes)));
  if (compression !== "none") {
    if (compression !== "xz" && (await isCompressedInitrd(source))) return undefined;
    const chunks = decompress(source, { format: compression, maxSizeBytes: MAX_IMAGE_BYTES });
    return { source: await workspace.collect(chunks), layer: compression };
  }
  const disk = openDisk(source);
  if (disk.format !== "raw") return { source: disk, layer: disk.format };
  if (isSparseTar(source)) return { source: openSparseTar(source), layer: "tar" };
  if (TAR.matches(source)) {
    const packed = await onlyDisk(source);
    return packed && { source: packed, layer: "tar" };
  }
  return undefined;
}

async function isCompressedInitrd(source: ByteSource): Promise<boolean> {
  for await (const chunk of decompress(source, { maxSizeBytes: Infinity })) {
    if (chunk.length > 0) return startsCpio(bytesSource(chunk));
  }
  return false;
}

/** The disk that is all that is in an archive. */
async function onlyDisk(source: ByteSource): Promise<ByteSource | undefined> {
  // The name stands at the very beginning: most archives need no second look.
  if (!source.read(0, DISK_ENTRY.length).equals(Buffer.from(DISK_ENTRY))) return undefined;
  let disk: TarEntry | undefined;
  let entries = 0;
  await readTar(chunksOf(source), (entry) => {
    disk ??= entry;
    entries++;
  });
  if (!disk || entries > 1 || disk.name !== DISK_ENTRY || disk.type !== "file") return undefined;
  return sliceSource(source, disk.dataOffsetBytes, disk.sizeBytes);
}
