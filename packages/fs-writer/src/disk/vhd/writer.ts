import { alignUp, borrowedChunksOf, type ByteSource, derivedUuid, encodeUuid } from "@cvm-build/bytes";
import { SparseWriter, type WrittenFile } from "../sparse-writer.ts";
import {
  NO_DATA_OFFSET,
  VHD_COOKIE,
  VHD_FEATURES,
  VHD_FIXED,
  VHD_SIZE_MULTIPLE_BYTES,
  VHD_VERSION,
  vhdChecksum,
  VhdFooter,
} from "./format.ts";

/** The creator of which readers know that the size counts and not the geometry, which then is the largest. */
const CREATOR = { creatorApplication: "qem2", creatorVersion: 0x0005_0003, creatorHostOs: "Wi2k" } as const;
const LARGEST_GEOMETRY = { cylinders: 65_535, heads: 16, sectorsPerTrack: 255 } as const;

/**
 * Writes a disk as a fixed VHD, as Azure takes it: the disk, zeros up to a whole MiB, and a footer without a date, with a
 * UUID that is made of the content.
 * @see Microsoft, Virtual Hard Disk Image Format Specification 1.0; Azure, "Prepare a VHD"
 */
export function writeVhd(disk: ByteSource, output: string): WrittenFile {
  using writer = new SparseWriter(output);
  for (const chunk of borrowedChunksOf(disk)) writer.append(chunk);
  writer.skipTo(alignUp(disk.sizeBytes, VHD_SIZE_MULTIPLE_BYTES));
  writer.append(encodeFooter(writer.offsetBytes, writer.sha256SoFar()));
  return writer.finish();
}

function encodeFooter(sizeBytes: number, sha256: string): Buffer {
  const footer: VhdFooter = {
    cookie: VHD_COOKIE,
    features: VHD_FEATURES,
    version: VHD_VERSION,
    dataOffset: NO_DATA_OFFSET,
    timestamp: 0,
    ...CREATOR,
    originalSizeBytes: BigInt(sizeBytes),
    currentSizeBytes: BigInt(sizeBytes),
    ...LARGEST_GEOMETRY,
    diskType: VHD_FIXED,
    checksum: 0,
    uniqueId: encodeUuid(derivedUuid(sha256, "vhd")),
    savedState: 0,
    reserved: Buffer.alloc(427),
  };
  return VhdFooter.encode({ ...footer, checksum: vhdChecksum(VhdFooter.encode(footer)) });
}
