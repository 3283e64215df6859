import { crc32 } from "node:zlib";
import { type ByteSource, FormatError, type Guid } from "@cvm-build/bytes";
import {
  GPT_HEADER_LBA,
  GPT_REVISION,
  GPT_SIGNATURE,
  GptEntry,
  GptHeader,
  MAX_GPT_ENTRIES,
  MAX_GPT_ENTRY_BYTES,
  PARTITION_FLAGS,
  type PartitionFlag,
  SECTOR_SIZES,
  UNUSED_TYPE,
} from "./format.ts";
import { describePartitionType, type GptArchitecture, type PartitionType } from "./partition-types.ts";

/** A partition that was found. */
export interface FoundPartition {
  /** Place in the table, from 0. */
  index: number;
  typeUuid: Guid;
  /** What the type is, where it is a known one. */
  type?: PartitionType;
  /** Whose the type is, where it is one of a processor. */
  architecture?: GptArchitecture;
  uuid: Guid;
  label: string;
  offsetBytes: number;
  sizeBytes: number;
  /** Those that have a name. */
  flags: PartitionFlag[];
  /** All 64 bits. */
  attributes: bigint;
}

/** A partition table that was found. */
export interface Gpt {
  sectorBytes: number;
  diskUuid: Guid;
  /** Which of the two tables this is: the backup where the primary is damaged. */
  table: "primary" | "backup";
  /** In the table's order. */
  partitions: FoundPartition[];
  /** What is wrong and could be read all the same, in words. */
  problems: string[];
}

/** Says whether a source has a primary header, for sectors of any size. */
export function isGpt(source: ByteSource): boolean {
  return SECTOR_SIZES.some((sectorBytes) => hasSignature(source, sectorBytes * GPT_HEADER_LBA));
}

/**
 * Reads a disk's partition table; the backup's where the primary is damaged.
 * @throws FormatError where neither is whole
 * @see UEFI Specification 2.10, 5.3.2
 */
export function readGpt(source: ByteSource): Gpt {
  let failure: FormatError | undefined;
  for (const sectorBytes of SECTOR_SIZES) {
    const lastLba = Math.floor(source.sizeBytes / sectorBytes) - 1;
    const primary = attempt(() => readTable(source, { sectorBytes, lba: GPT_HEADER_LBA }));
    if (!(primary instanceof FormatError)) {
      const problems = backupProblems(source, { sectorBytes, lastLba, primary });
      return describeTable(source, { table: "primary", sectorBytes, found: primary, problems });
    }
    // A backup at the end; or, on a disk that has grown, where the primary says, damaged as it is.
    for (const lba of new Set([lastLba, alternateOf(source, sectorBytes)])) {
      if (lba === undefined || lba <= GPT_HEADER_LBA) continue;
      const backup = attempt(() => readTable(source, { sectorBytes, lba }));
      if (backup instanceof FormatError) continue;
      const problems = [`primary table is damaged: ${primary.message}`];
      return describeTable(source, { table: "backup", sectorBytes, found: backup, problems });
    }
    if (failure === undefined || hasSignature(source, sectorBytes * GPT_HEADER_LBA)) failure = primary;
  }
  throw failure ?? new FormatError({ record: "GptHeader" }, 'expected "EFI PART"');
}

/** A header with its entries. */
interface Table {
  header: GptHeader;
  entries: Buffer;
}

function hasSignature(source: ByteSource, offsetBytes: number): boolean {
  const { length } = GPT_SIGNATURE;
  return source.sizeBytes >= offsetBytes + length && source.read(offsetBytes, length).equals(GPT_SIGNATURE);
}

function alternateOf(source: ByteSource, sectorBytes: number): number | undefined {
  const offsetBytes = sectorBytes * GPT_HEADER_LBA;
  if (!hasSignature(source, offsetBytes) || source.sizeBytes < offsetBytes + GptHeader.sizeBytes) return undefined;
  const { alternateLba } = GptHeader.decode(source.read(offsetBytes, GptHeader.sizeBytes));
  return alternateLba < BigInt(Math.floor(source.sizeBytes / sectorBytes)) ? Number(alternateLba) : undefined;
}

function attempt(read: () => Table): Table | FormatError {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError) return error;
    throw error;
  }
}

function readTable(source: ByteSource, { sectorBytes, lba }: { sectorBytes: number; lba: number }): Table {
  const start = lba * sectorBytes;
  const refuse = (field: keyof GptHeader & string, expectation: string) =>
    new FormatError({ record: "GptHeader", field, offsetBytes: start + GptHeader.offsetOf(field) }, expectation);
  const sector = source.read(start, sectorBytes);
  const header = GptHeader.decode(sector);
  if (!header.signature.equals(GPT_SIGNATURE)) throw refuse("signature", 'expected "EFI PART"');
  if (header.revision !== GPT_REVISION) throw refuse("revision", `expected 1.0, got 0x${header.revision.toString(16)}`);
  const { headerSizeBytes, partitionCount, partitionEntryBytes } = header;
  if (headerSizeBytes < GptHeader.sizeBytes || headerSizeBytes > sectorBytes) {
    throw refuse("headerSizeBytes", `expected ${GptHeader.sizeBytes}..${sectorBytes}, got ${headerSizeBytes}`);
  }
  const covered = Buffer.from(sector.subarray(0, headerSizeBytes));
  covered.writeUInt32LE(0, GptHeader.offsetOf("headerCrc32"));
  if (crc32(covered) !== header.headerCrc32) throw refuse("headerCrc32", "expected the header's checksum");
  if (header.myLba !== BigInt(lba)) throw refuse("myLba", `expected ${lba}, got ${header.myLba}`);
  const isEntrySize = partitionEntryBytes >= GptEntry.sizeBytes && partitionEntryBytes <= MAX_GPT_ENTRY_BYTES;
  if (!isEntrySize || partitionEntryBytes % GptEntry.sizeBytes !== 0) {
    throw refuse("partitionEntryBytes", `expected a multiple of ${GptEntry.sizeBytes}, got ${partitionEntryBytes}`);
  }
  const entriesStart = header.partitionEntryLba * BigInt(sectorBytes);
  const entriesBytes = partitionCount * partitionEntryBytes;
  if (partitionCount > MAX_GPT_ENTRIES || entriesStart + BigInt(entriesBytes) > BigInt(source.sizeBytes)) {
    throw refuse("partitionCount", `expected at most ${MAX_GPT_ENTRIES} entries on the disk, got ${partitionCount}`);
  }
  const entries = source.read(Number(entriesStart), entriesBytes);
  if (crc32(entries) !== header.partitionsCrc32) throw refuse("partitionsCrc32", "expected the entries' checksum");
  return { header, entries };
}

function backupProblems(
  source: ByteSource,
  { sectorBytes, lastLba, primary }: { sectorBytes: number; lastLba: number; primary: Table },
): string[] {
  const { alternateLba } = primary.header;
  if (alternateLba > BigInt(lastLba)) return ["backup table lies behind the disk's end"];
  const problems = alternateLba === BigInt(lastLba) ? [] : ["backup table is not at the disk's end"];
  const backup = attempt(() => readTable(source, { sectorBytes, lba: Number(alternateLba) }));
  if (backup instanceof FormatError) problems.push(`backup table is damaged: ${backup.message}`);
  else if (!backup.entries.equals(primary.entries)) problems.push("backup table has other partitions");
  return problems;
}

function describeTable(
  source: ByteSource,
  { found, ...rest }: Pick<Gpt, "table" | "sectorBytes" | "problems"> & { found: Table },
): Gpt {
  const { header, entries } = found;
  const partitions: FoundPartition[] = [];
  for (let index = 0; index < header.partitionCount; index++) {
    const entry = GptEntry.decode(entries, index * header.partitionEntryBytes);
    if (entry.typeGuid === UNUSED_TYPE) continue;
    partitions.push(describeEntry(entry, { index, sectorBytes: rest.sectorBytes, sizeBytes: source.sizeBytes }));
  }
  const problems = [...rest.problems, ...overlaps(partitions)];
  return { ...rest, diskUuid: header.diskGuid, partitions, problems };
}

function describeEntry(
  entry: GptEntry,
  { index, sectorBytes, sizeBytes }: { index: number; sectorBytes: number; sizeBytes: number },
): FoundPartition {
  const { firstLba, lastLba, attributes } = entry;
  const refuse = (field: "firstLba" | "lastLba", expectation: string) =>
    new FormatError({ record: `GptEntry ${index}`, field }, expectation);
  if (lastLba < firstLba) throw refuse("lastLba", `expected ${firstLba} or more, got ${lastLba}`);
  const end = (lastLba + 1n) * BigInt(sectorBytes);
  if (end > BigInt(sizeBytes)) throw refuse("lastLba", `expected a partition within ${sizeBytes} bytes, got ${end}`);
  const offsetBytes = Number(firstLba) * sectorBytes;
  return {
    index,
    typeUuid: entry.typeGuid,
    ...describePartitionType(entry.typeGuid),
    uuid: entry.uniqueGuid,
    label: entry.label,
    offsetBytes,
    sizeBytes: Number(end) - offsetBytes,
    flags: (Object.keys(PARTITION_FLAGS) as PartitionFlag[]).filter(
      (flag) => ((attributes >> BigInt(PARTITION_FLAGS[flag])) & 1n) === 1n,
    ),
    attributes,
  };
}

function overlaps(partitions: readonly FoundPartition[]): string[] {
  const byStart = partitions.toSorted((a, b) => a.offsetBytes - b.offsetBytes);
  return byStart.flatMap((partition, at) => {
    const before = byStart[at - 1];
    if (!before || before.offsetBytes + before.sizeBytes <= partition.offsetBytes) return [];
    return [`partitions ${before.index + 1} and ${partition.index + 1} overlap`];
  });
}
