import { alignUp, FormatError, type Guid } from "@cvm-build/bytes";
import {
  ExtendedSize32,
  ExtendedSize64,
  FFS_ATTRIB_LARGE_FILE,
  FILE_SYSTEMS,
  FILE_TYPES,
  FileHeader,
  GuidDefined,
  SECTION_TYPES,
  SectionHeader,
  VOLUME_SIGNATURE,
  VolumeExtHeader,
  VolumeHeader,
} from "./volume-format.ts";

/** A firmware volume. */
export interface FirmwareVolume {
  fileSystem: Guid;
  /** All of it, headers too. */
  bytes: Buffer;
  /** Where its files begin. */
  filesOffset: number;
}

/** A file of a volume. */
export interface FirmwareFile {
  name: Guid;
  type: number;
  /** Where its content begins in the volume. */
  contentOffset: number;
  content: Buffer;
}

/** A section of a file. */
export interface FirmwareSection {
  type: number;
  /** Where its content begins in what the sections were read from. */
  contentOffset: number;
  content: Buffer;
  /** How the content is encoded, where a GUID says so. */
  definition?: Guid;
}

/** Volumes in flash begin at multiples of this. */
const FLASH_BLOCK_BYTES = 0x1000;
/** An erased byte, which ends a volume's files. */
const ERASED = 0xff;

/**
 * Finds the volumes of a flash image, such as QEMU loads.
 * @throws FormatError
 */
export function readFlashVolumes(flash: Buffer): FirmwareVolume[] {
  const volumes: FirmwareVolume[] = [];
  for (let offset = 0; offset + VolumeHeader.sizeBytes <= flash.length;) {
    const isVolume = VolumeHeader.decode(flash, offset).signature === VOLUME_SIGNATURE;
    if (isVolume) volumes.push(readVolume(flash.subarray(offset)));
    offset = alignUp(offset + (isVolume ? volumes.at(-1)!.bytes.length : 1), FLASH_BLOCK_BYTES);
  }
  return volumes;
}

/**
 * Reads a volume's header.
 * @param bytes from its start on; more may follow
 * @throws FormatError
 */
export function readVolume(bytes: Buffer): FirmwareVolume {
  const header = VolumeHeader.decode(bytes);
  const { headerSizeBytes } = header;
  if (header.signature !== VOLUME_SIGNATURE) throw misfit("signature", `expected "${VOLUME_SIGNATURE}"`);
  if (header.sizeBytes > BigInt(bytes.length)) {
    throw misfit("sizeBytes", `expected at most ${bytes.length}, got ${header.sizeBytes}`);
  }
  const sizeBytes = Number(header.sizeBytes);
  if (headerSizeBytes < VolumeHeader.sizeBytes || headerSizeBytes > sizeBytes || headerSizeBytes % 2 !== 0) {
    throw misfit(
      "headerSizeBytes",
      `expected an even ${VolumeHeader.sizeBytes} to ${sizeBytes}, got ${headerSizeBytes}`,
    );
  }
  if (checksum16(bytes.subarray(0, headerSizeBytes)) !== 0) throw misfit("checksum", "expected words that add up to 0");
  const volume = bytes.subarray(0, sizeBytes);
  return { fileSystem: header.fileSystem, bytes: volume, filesOffset: filesOffset(volume, header) };
}

function filesOffset(volume: Buffer, { extHeaderOffset, headerSizeBytes }: VolumeHeader): number {
  if (extHeaderOffset === 0) return alignUp(headerSizeBytes, 8);
  const { sizeBytes } = VolumeExtHeader.decode(volume, extHeaderOffset);
  return alignUp(extHeaderOffset + sizeBytes, 8);
}

/**
 * Reads a volume's files, padding left out.
 * @returns nothing where the volume holds no files, as the one for variables
 * @throws FormatError
 */
export function readFiles({ fileSystem, bytes, filesOffset: start }: FirmwareVolume): FirmwareFile[] {
  const files: FirmwareFile[] = [];
  if (!FILE_SYSTEMS.includes(fileSystem)) return files;
  for (let offset = start; offset + FileHeader.sizeBytes <= bytes.length;) {
    if (bytes.subarray(offset, offset + FileHeader.sizeBytes).every((byte) => byte === ERASED)) break;
    const header = FileHeader.decode(bytes, offset);
    const isLarge = (header.attributes & FFS_ATTRIB_LARGE_FILE) !== 0;
    const headerBytes = FileHeader.sizeBytes + (isLarge ? ExtendedSize64.sizeBytes : 0);
    const stated = isLarge
      ? ExtendedSize64.decode(bytes, offset + FileHeader.sizeBytes).sizeBytes
      : BigInt(header.size.readUIntLE(0, 3));
    const sizeBytes = within(
      stated,
      { least: headerBytes, most: bytes.length - offset },
      { record: FileHeader.recordName, offset },
    );
    if (header.type !== FILE_TYPES.pad) {
      const contentOffset = offset + headerBytes;
      const content = bytes.subarray(contentOffset, offset + sizeBytes);
      files.push({ name: header.name, type: header.type, contentOffset, content });
    }
    offset = alignUp(offset + sizeBytes, 8);
  }
  return files;
}

/**
 * Reads the sections that a file's content consists of, or a section's that is made of sections.
 * @throws FormatError
 */
export function readSections(bytes: Buffer): FirmwareSection[] {
  const sections: FirmwareSection[] = [];
  for (let offset = 0; offset + SectionHeader.sizeBytes <= bytes.length;) {
    const header = SectionHeader.decode(bytes, offset);
    const short = header.size.readUIntLE(0, 3);
    const isLarge = short === 0xffffff;
    let headerBytes = SectionHeader.sizeBytes + (isLarge ? ExtendedSize32.sizeBytes : 0);
    const stated = isLarge ? ExtendedSize32.decode(bytes, offset + SectionHeader.sizeBytes).sizeBytes : short;
    const place = { record: SectionHeader.recordName, offset };
    const sizeBytes = within(BigInt(stated), { least: headerBytes, most: bytes.length - offset }, place);
    const section = bytes.subarray(offset, offset + sizeBytes);
    let definition: Guid | undefined;
    if (header.type === SECTION_TYPES.guidDefined) {
      const defined = GuidDefined.decode(section, headerBytes);
      definition = defined.definition;
      headerBytes = within(
        BigInt(defined.dataOffset),
        { least: headerBytes + GuidDefined.sizeBytes, most: sizeBytes },
        place,
      );
    }
    const contentOffset = offset + headerBytes;
    sections.push({
      type: header.type,
      contentOffset,
      content: section.subarray(headerBytes),
      ...(definition !== undefined && { definition }),
    });
    offset = alignUp(offset + sizeBytes, 4);
  }
  return sections;
}

/** A size, checked against what is left. */
function within(
  value: bigint,
  { least, most }: { least: number; most: number },
  { record, offset }: { record: string; offset: number },
): number {
  if (value >= BigInt(least) && value <= BigInt(most)) return Number(value);
  throw new FormatError({ record, field: "size", offsetBytes: offset }, `expected ${least} to ${most}, got ${value}`);
}

function checksum16(bytes: Buffer): number {
  let sum = 0;
  for (let offset = 0; offset < bytes.length; offset += 2) sum = (sum + bytes.readUInt16LE(offset)) & 0xffff;
  return sum;
}

function misfit(field: keyof VolumeHeader, expectation: string): FormatError {
  return new FormatError({ record: VolumeHeader.recordName, field }, expectation);
}
