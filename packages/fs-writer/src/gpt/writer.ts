import { crc32 } from "node:zlib";
import { alignUp, CvmError, type Guid } from "@cvm-build/bytes";
import type { FsWriterErrorCode } from "../errors.ts";
import {
  GPT_ENTRIES,
  GPT_HEADER_LBA,
  GPT_REVISION,
  GPT_SIGNATURE,
  GptEntry,
  GptHeader,
  MAX_LABEL_UNITS,
  MBR_SIGNATURE,
  MbrPartition,
  PARTITION_FLAGS,
  type PartitionFlag,
  PROTECTIVE_OS_TYPE,
  ProtectiveMbr,
  SECTOR_BYTES,
} from "./format.ts";
import { type GptArchitecture, type PartitionType, partitionTypeUuid } from "./partition-types.ts";

/** A partition that is to be. */
export interface GptPartition {
  type: PartitionType;
  uuid: Guid;
  /** At most 36 UTF-16 units. */
  label: string;
  /** Rounded up to 4096. */
  sizeBytes: number;
  flags?: readonly PartitionFlag[];
}

/** What a disk is, beside its partitions. */
export interface GptOptions {
  diskUuid: Guid;
  /** Of the partitions' types. */
  architecture: GptArchitecture;
  /** Where partitions begin. Default: 1 MiB. */
  alignmentBytes?: number;
  /** What the disk's size is a multiple of. Default: 1 MiB. */
  sizeMultipleBytes?: number;
}

/** Where a disk's parts lie. */
export interface GptLayout<Partition extends GptPartition = GptPartition> {
  /** Of the disk. */
  sizeBytes: number;
  partitions: (Partition & { offsetBytes: number })[];
  /** Protective boot record, header and entries: the disk's first bytes. */
  primary: Buffer;
  /** Entries and header again: the disk's last bytes. */
  backup: Buffer;
}

const MIB = 1 << 20;
/** Sizes that a kernel's page cache and a file system's blocks fit. */
const GRAIN_BYTES = 4096;
const TABLE_SECTORS = (GPT_ENTRIES * GptEntry.sizeBytes) / SECTOR_BYTES;

/**
 * Places partitions one after the other, in the order given, on a disk with sectors of 512 bytes that is no larger than it
 * has to be.
 * @throws CvmError `disk` where there are too many partitions, a label is too long, a size none, or a UUID there twice
 * @see UEFI Specification 2.10, 5.3
 */
export function layOutGpt<Partition extends GptPartition>(
  partitions: readonly Partition[],
  options: GptOptions,
): GptLayout<Partition> {
  checkPartitions(partitions);
  const { alignmentBytes = MIB, sizeMultipleBytes = MIB } = options;
  let end = (GPT_HEADER_LBA + 1 + TABLE_SECTORS) * SECTOR_BYTES;
  const placed = partitions.map((partition) => {
    const offsetBytes = alignUp(end, alignmentBytes);
    const sizeBytes = alignUp(partition.sizeBytes, GRAIN_BYTES);
    end = offsetBytes + sizeBytes;
    return { ...partition, offsetBytes, sizeBytes };
  });
  const sizeBytes = alignUp(end + (1 + TABLE_SECTORS) * SECTOR_BYTES, sizeMultipleBytes);
  const entries = encodeEntries(placed, options.architecture);
  const lastLba = sizeBytes / SECTOR_BYTES - 1;
  const header = (isPrimary: boolean) => encodeHeader(entries, { isPrimary, lastLba, diskUuid: options.diskUuid });
  return {
    sizeBytes,
    partitions: placed,
    primary: Buffer.concat([encodeMbr(lastLba), header(true), entries]),
    backup: Buffer.concat([entries, header(false)]),
  };
}

function checkPartitions(partitions: readonly GptPartition[]): void {
  const refuse = (what: string, expectation: string) =>
    new CvmError<FsWriterErrorCode>("disk", `cannot lay out ${what}: expected ${expectation}`);
  if (partitions.length > GPT_ENTRIES) {
    throw refuse("disk", `at most ${GPT_ENTRIES} partitions, got ${partitions.length}`);
  }
  for (const [index, { label, sizeBytes, uuid }] of partitions.entries()) {
    const name = `partition "${label}"`;
    if (label.length > MAX_LABEL_UNITS || label.includes("\0")) {
      throw refuse(name, `a label of at most ${MAX_LABEL_UNITS} UTF-16 units without NUL, got ${label.length}`);
    }
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0) throw refuse(name, `a size in bytes, got ${sizeBytes}`);
    const twin = partitions.slice(0, index).find((other) => other.uuid === uuid);
    if (twin) throw refuse(name, `a UUID of its own, got that of "${twin.label}", ${uuid}`);
  }
}

function encodeMbr(lastLba: number): Buffer {
  const partition = MbrPartition.encode({
    bootIndicator: 0,
    start: Buffer.of(0x00, 0x02, 0x00),
    osType: PROTECTIVE_OS_TYPE,
    end: Buffer.of(0xff, 0xff, 0xff),
    startingLba: GPT_HEADER_LBA,
    sizeSectors: Math.min(lastLba, 0xffff_ffff),
  });
  return ProtectiveMbr.encode({
    bootCode: Buffer.alloc(440),
    diskSignature: 0,
    unknown: 0,
    partition,
    otherPartitions: Buffer.alloc(48),
    signature: MBR_SIGNATURE,
  });
}

function encodeEntries(partitions: GptLayout["partitions"], architecture: GptArchitecture): Buffer {
  const used = partitions.map(({ type, uuid, label, flags = [], offsetBytes, sizeBytes }) =>
    GptEntry.encode({
      typeGuid: partitionTypeUuid(type, architecture),
      uniqueGuid: uuid,
      firstLba: BigInt(offsetBytes / SECTOR_BYTES),
      lastLba: BigInt((offsetBytes + sizeBytes) / SECTOR_BYTES - 1),
      attributes: flags.reduce((bits, flag) => bits | (1n << BigInt(PARTITION_FLAGS[flag])), 0n),
      label,
    }),
  );
  return Buffer.concat([...used, Buffer.alloc((GPT_ENTRIES - used.length) * GptEntry.sizeBytes)]);
}

/** A header, padded to a sector. */
function encodeHeader(
  entries: Buffer,
  { isPrimary, lastLba, diskUuid }: { isPrimary: boolean; lastLba: number; diskUuid: Guid },
): Buffer {
  const lba = (primary: boolean): bigint => BigInt(primary ? GPT_HEADER_LBA : lastLba);
  const fields: GptHeader = {
    signature: GPT_SIGNATURE,
    revision: GPT_REVISION,
    headerSizeBytes: GptHeader.sizeBytes,
    headerCrc32: 0,
    reserved: 0,
    myLba: lba(isPrimary),
    alternateLba: lba(!isPrimary),
    firstUsableLba: BigInt(GPT_HEADER_LBA + 1 + TABLE_SECTORS),
    lastUsableLba: BigInt(lastLba - TABLE_SECTORS - 1),
    diskGuid: diskUuid,
    partitionEntryLba: BigInt(isPrimary ? GPT_HEADER_LBA + 1 : lastLba - TABLE_SECTORS),
    partitionCount: GPT_ENTRIES,
    partitionEntryBytes: GptEntry.sizeBytes,
    partitionsCrc32: crc32(entries),
  };
  const sector = Buffer.alloc(SECTOR_BYTES);
  GptHeader.encode({ ...fields, headerCrc32: crc32(GptHeader.encode(fields)) }).copy(sector);
  return sector;
}
