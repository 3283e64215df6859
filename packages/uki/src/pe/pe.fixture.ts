import { gzipSync, zstdCompressSync } from "node:zlib";
import {
  CoffHeader,
  DataDirectory,
  DosHeader,
  IMAGE_DLLCHARACTERISTICS_NX_COMPAT,
  OptionalHeader64,
  PE_SIGNATURE,
  SECTION_FLAGS,
  SectionHeader,
} from "./format.ts";

/** A section of a made image. Offsets and sizes follow from the content unless given. */
export interface MadeSection {
  name: string;
  content: Buffer | string;
  virtualSizeBytes?: number;
  virtualAddress?: number;
  pointerToRawData?: number;
  sizeOfRawData?: number;
}

/** What a made image has beside sections. */
export interface MadePe {
  sections: readonly MadeSection[];
  headerBytes?: number;
  nxCompat?: boolean;
  trailing?: Buffer;
  optional?: Partial<OptionalHeader64>;
  coff?: Partial<CoffHeader>;
  /** Size of the security directory, whose bytes are the last of `trailing`. */
  securityBytes?: number;
}

const FILE_ALIGNMENT = 512;
const SECTION_ALIGNMENT = 4096;
const COFF_OFFSET = 0x40;

/** Makes a small PE32+ image, section by section. */
export function makePe(made: MadePe): Buffer {
  const headerBytes = made.headerBytes ?? 1024;
  let offset = headerBytes;
  let address = SECTION_ALIGNMENT;
  const sections = made.sections.map((section) => {
    const content = Buffer.from(section.content as string);
    const rawBytes = section.sizeOfRawData ?? Math.ceil(content.length / FILE_ALIGNMENT) * FILE_ALIGNMENT;
    const placed = {
      content,
      name: section.name,
      pointerToRawData: section.pointerToRawData ?? offset,
      sizeOfRawData: rawBytes,
      virtualAddress: section.virtualAddress ?? address,
      virtualSizeBytes: section.virtualSizeBytes ?? content.length,
    };
    offset = Math.max(offset, placed.pointerToRawData + rawBytes);
    address = Math.ceil((placed.virtualAddress + placed.virtualSizeBytes) / SECTION_ALIGNMENT) * SECTION_ALIGNMENT;
    return placed;
  });
  const trailing = made.trailing ?? Buffer.alloc(0);
  const bytes = Buffer.alloc(offset + trailing.length);
  writeHeaders(bytes, made, { headerBytes, imageBytes: address });
  const tableOffset = COFF_OFFSET + CoffHeader.sizeBytes + OptionalHeader64.sizeBytes + 16 * DataDirectory.sizeBytes;
  for (const [index, section] of sections.entries()) {
    const name = Buffer.alloc(8);
    name.write(section.name, "latin1");
    const header = SectionHeader.encode({
      ...section,
      name,
      relocations: Buffer.alloc(12),
      characteristics: SECTION_FLAGS.read,
    });
    header.copy(bytes, tableOffset + index * SectionHeader.sizeBytes);
    section.content.copy(bytes, section.pointerToRawData);
  }
  trailing.copy(bytes, offset);
  return bytes;
}

/** Makes what looks like systemd-stub of a version: the sections by which it is known. */
export function makeStub(version: string, options: Partial<MadePe> = {}): Buffer {
  return makePe({
    nxCompat: true,
    ...options,
    sections: [
      { name: ".text", content: "code of the stub" },
      { name: ".sbat", content: `${SBAT_HEADER}systemd-stub,1,The systemd Developers,systemd,1,https://systemd.io/\n` },
      { name: ".sdmagic", content: `#### LoaderInfo: systemd-stub ${version} ####\0` },
      ...(options.sections ?? []),
    ],
  });
}

/** Makes what looks like an x86 kernel: an EFI application with a boot header that states its release. */
export function makeKernel(release: string, options: Partial<MadePe> = {}): Buffer {
  const kernel = makePe({
    nxCompat: true,
    headerBytes: 4096,
    ...options,
    sections: [{ name: ".text", content: "code of the kernel" }, ...(options.sections ?? [])],
  });
  kernel.write("HdrS", 0x202, "latin1");
  kernel.writeUInt16LE(0x600, 0x20e);
  kernel.write(`${release} (builder@host) #1 SMP\0`, 0x800, "latin1");
  return kernel;
}

/** Makes what looks like an EFI zboot kernel: an EFI application that begins with a header of its own. */
export function makeZboot(kernel: Buffer, compressionType: "gzip" | "zstd22" | "xzkern"): Buffer {
  const payload = { gzip: gzipSync, zstd22: zstdCompressSync, xzkern: (bytes: Buffer) => bytes }[compressionType](
    kernel,
  );
  const image = makePe({ nxCompat: true, sections: [{ name: ".text", content: payload }] });
  image.write("zimg", 4, "latin1");
  image.writeUInt32LE(1024, 8);
  image.writeUInt32LE(payload.length, 12);
  image.write(compressionType, 0x18, "latin1");
  return image;
}

/** Makes what looks like systemd's add-on stub of a version. */
export function makeAddonStub(version: string, options: Partial<MadePe> = {}): Buffer {
  return makePe({
    nxCompat: true,
    ...options,
    sections: [
      { name: ".text", content: "code" },
      { name: ".sdmagic", content: `#### LoaderInfo: systemd-addon ${version} ####\0` },
      ...(options.sections ?? []),
    ],
  });
}

const SBAT_HEADER = "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n";

function writeHeaders(bytes: Buffer, made: MadePe, sizes: { headerBytes: number; imageBytes: number }): void {
  DosHeader.encode({ magic: "MZ", dosFields: Buffer.alloc(58), peOffset: COFF_OFFSET }).copy(bytes);
  CoffHeader.encode({
    signature: PE_SIGNATURE,
    machine: 0x8664,
    numberOfSections: made.sections.length,
    timeDateStamp: 0x1234_5678,
    pointerToSymbolTable: 0,
    numberOfSymbols: 0,
    sizeOfOptionalHeader: OptionalHeader64.sizeBytes + 16 * DataDirectory.sizeBytes,
    characteristics: 0x22e,
    ...made.coff,
  }).copy(bytes, COFF_OFFSET);
  const optionalOffset = COFF_OFFSET + CoffHeader.sizeBytes;
  OptionalHeader64.encode({
    magic: 0x20b,
    majorLinkerVersion: 0,
    minorLinkerVersion: 0,
    sizeOfCode: 512,
    sizeOfInitializedData: 1024,
    sizeOfUninitializedData: 0,
    addressOfEntryPoint: 4096,
    baseOfCode: 4096,
    imageBase: 0n,
    sectionAlignment: SECTION_ALIGNMENT,
    fileAlignment: FILE_ALIGNMENT,
    versions: Buffer.alloc(16),
    sizeOfImage: sizes.imageBytes,
    sizeOfHeaders: sizes.headerBytes,
    checkSum: 0xdead_beef,
    subsystem: 10,
    dllCharacteristics: made.nxCompat ? IMAGE_DLLCHARACTERISTICS_NX_COMPAT : 0,
    stackAndHeapSizes: Buffer.alloc(32),
    loaderFlags: 0,
    numberOfRvaAndSizes: 16,
    ...made.optional,
  }).copy(bytes, optionalOffset);
  const securityBytes = made.securityBytes ?? 0;
  if (securityBytes === 0) return;
  const directory = { virtualAddress: bytes.length - securityBytes, sizeBytes: securityBytes };
  DataDirectory.encode(directory).copy(
    bytes,
    optionalOffset + OptionalHeader64.sizeBytes + 4 * DataDirectory.sizeBytes,
  );
}
