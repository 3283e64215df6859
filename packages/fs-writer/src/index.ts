export { type ArInput, encodeAr } from "./ar/writer.ts";
export { type ArMember, readAr } from "./ar/reader.ts";
export { type ArchiveFormat, type ArchiveOptions, writeArchive, type WrittenArchive } from "./archive/write-archive.ts";
export { archivePath } from "./archive-path.ts";
export { type Compression, checkCompression, compressorIdentity } from "./compression/compress.ts";
export { decompress, type DecompressOptions, decompressWhole } from "./compression/decompress.ts";
export { type CompressionFormat, detectCompression } from "./compression/format.ts";
export { contentChunks, contentOf, readContent } from "./content.ts";
export { dumpCpio } from "./cpio/dump.ts";
export { type CpioEntry, readCpio, type ReadCpioOptions } from "./cpio/reader.ts";
export { readCpioTree, type ReadCpioTreeOptions } from "./cpio/tree.ts";
export {
  type CpioOptions,
  type CpioRecord,
  cpioSizeBytes,
  encodeCpio,
  layOutCpio,
  type PathAndNode,
  type XattrLoss,
  xattrLosses,
} from "./cpio/writer.ts";
export type { DerivedCache, DerivedObject } from "./derived-cache.ts";
export { writeDirectory, type WrittenDirectory } from "./directory/writer.ts";
export { type ConvertDiskOptions, convertDisk, type ConvertedDiskFormat, DISK_SIZE_MULTIPLES } from "./disk/convert.ts";
export { isSparseTar, openSparseTar } from "./disk/gcp/reader.ts";
export { dumpDisk } from "./disk/dump.ts";
export { type DiskFormat, openDisk, type OpenedDisk } from "./disk/open.ts";
export type { WrittenFile } from "./disk/sparse-writer.ts";
export {
  type DiskOptions,
  type DiskPartition,
  type PartitionContent,
  writeDisk,
  type WrittenDisk,
} from "./disk/writer.ts";
export { dumpTree } from "./dump-tree.ts";
export { dumpErofs } from "./erofs/dump.ts";
export { EROFS_FORMAT_VERSION, type ErofsOptions, writeErofs, type WrittenErofs } from "./erofs/writer.ts";
export type { ErofsCompression, ErofsCompressionSettings } from "./erofs/compression/settings.ts";
export { readErofsTree, type ReadErofsTreeOptions } from "./erofs/read-tree.ts";
export { EROFS_MAX_DECODED_BYTES, ErofsImage, openErofs, type OpenErofsOptions } from "./erofs/reader.ts";
export type { ErofsEntry } from "./erofs/reading/directory.ts";
export { deviceOf, type ErofsInode, type ErofsKind, type ErofsLayout } from "./erofs/reading/inode.ts";
export type { ErofsRun } from "./erofs/reading/run.ts";
export { type ErofsPath, walkErofs } from "./erofs/reading/walk.ts";
export type { ErofsFacts } from "./erofs/reading/superblock.ts";
export type { FsWriterErrorCode } from "./errors.ts";
export { compareUtf8, FileTree, parentOf } from "./file-tree.ts";
export { dumpGpt } from "./gpt/dump.ts";
export {
  GPT_SIGNATURE,
  GptEntry,
  GptHeader,
  MAX_GPT_ENTRIES,
  type PartitionFlag,
  SECTOR_BYTES,
  UNUSED_TYPE,
} from "./gpt/format.ts";
export {
  GPT_ARCHITECTURES,
  type GptArchitecture,
  PARTITION_TYPES,
  type PartitionType,
  partitionTypeUuid,
} from "./gpt/partition-types.ts";
export { type FoundPartition, type Gpt, isGpt, readGpt } from "./gpt/reader.ts";
export { verityPartitionUuids } from "./gpt/verity-uuids.ts";
export { type GptLayout, type GptOptions, type GptPartition, layOutGpt } from "./gpt/writer.ts";
export { LazyContent } from "./lazy-content.ts";
export { encodeMtree, MTREE_TYPES } from "./mtree/writer.ts";
export { type PackedSegments, type PackOptions, packSegments, SEGMENT_WORKER } from "./segments/pack.ts";
export {
  type Segment,
  SEGMENT_FORMAT_VERSION,
  SEGMENT_KIND,
  segmentSource,
  verifySegment,
} from "./segments/segment.ts";
export type { TarEntryType } from "./tar/format.ts";
export { readTar, type TarEntry } from "./tar/reader.ts";
export { encodeTar, type TarInput } from "./tar/writer.ts";
export type {
  Attributes,
  Content,
  DeviceNode,
  DirectoryNode,
  FifoNode,
  FileNode,
  Origin,
  SymlinkNode,
  TreeNode,
} from "./tree.ts";
export { dumpVerity } from "./verity/dump.ts";
export { VERITY_ALGORITHMS, type VerityAlgorithm, type VerityFormatVersion } from "./verity/format.ts";
export type { BlockHashing } from "./verity/hash-tree.ts";
export { isVerity, readVerity, type Verity } from "./verity/reader.ts";
export { encodeVeritySignature, readVeritySignature, type VeritySignature } from "./verity/signature-partition.ts";
export { verifyVerity, type VerifyVerityOptions } from "./verity/verify.ts";
export { type VerityOptions, writeVerity, type WrittenVerity } from "./verity/writer.ts";
export { dumpVfat } from "./vfat/dump.ts";
export type { FatVariant } from "./vfat/format.ts";
export { openVfat, readVfatTree, type ReadVfatOptions, type VfatEntry, type VfatVolume } from "./vfat/reader.ts";
export { type VfatOptions, writeVfat, type WrittenVfat } from "./vfat/writer.ts";
export { serveTasks } from "./workers/serve-tasks.ts";
export { WorkerPool, type WorkerPoolOptions } from "./workers/worker-pool.ts";
export { writeSparsely } from "./zeros.ts";
