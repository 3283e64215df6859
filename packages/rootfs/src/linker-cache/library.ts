import { alignUp, FormatError } from "@cvm-build/bytes";
import { readDynamic, segmentBytes } from "../elf/dynamic.ts";
import {
  ElfMachine,
  ElfNote,
  type ElfProgramHeader,
  ElfType,
  GNU_PROPERTY_X86_ISA_1_NEEDED,
  GnuProperty,
  NT_GNU_PROPERTY_TYPE_0,
  SegmentType,
} from "../elf/format.ts";
import { type Elf, readElf } from "../elf/reader.ts";
import { LIBRARY_FLAGS } from "./format.ts";

/** What ldconfig wants to know of a shared object. */
export interface LibraryFacts {
  /** `DT_SONAME`, where it has one. */
  soname?: string;
  flags: number;
  /** Highest x86 ISA level that it says it needs, 0 where it says nothing. */
  isaLevel: number;
}

const FLAGS_OF_MACHINE: ReadonlyMap<number, number> = new Map([
  [ElfMachine.x86_64, LIBRARY_FLAGS["x86-64"]],
  [ElfMachine.aarch64, LIBRARY_FLAGS.arm64],
]);

/**
 * Reads a shared object as `ldconfig` does.
 * @returns undefined where it is an object of another kind or machine, or has no dynamic section
 * @throws FormatError where it is no 64-bit little-endian ELF object or is damaged
 */
export function readLibrary(bytes: Buffer): LibraryFacts | undefined {
  const elf = readElf(bytes);
  const flags = FLAGS_OF_MACHINE.get(elf.header.machine);
  if (elf.header.type !== ElfType.sharedObject || flags === undefined) return undefined;
  const dynamic = readDynamic(elf);
  if (!dynamic) return undefined;
  const isaLevel = elf.segments.reduce((level, segment) => readIsaLevel(elf, segment) ?? level, 0);
  return { ...(dynamic.soname === undefined ? {} : { soname: dynamic.soname }), flags, isaLevel };
}

/** The ISA level in a segment of GNU properties; undefined where it says none. */
function readIsaLevel(elf: Elf, segment: ElfProgramHeader): number | undefined {
  if (segment.type !== SegmentType.gnuProperty || segment.alignment !== 8n) return undefined;
  const notes = segmentBytes(elf, segment);
  for (let at = 0; at + ElfNote.sizeBytes < notes.length;) {
    const note = ElfNote.decode(notes, at);
    const nameAt = at + ElfNote.sizeBytes;
    const descriptorAt = alignUp(nameAt + note.nameSizeBytes, 8);
    const end = descriptorAt + note.descriptorSizeBytes;
    if (end > notes.length)
      throw new FormatError({ record: "ElfNote", offsetBytes: at }, "expected a note inside its segment");
    if (
      note.type === NT_GNU_PROPERTY_TYPE_0 &&
      notes.toString("latin1", nameAt, nameAt + note.nameSizeBytes) === "GNU\0"
    ) {
      return readX86IsaLevel(notes.subarray(descriptorAt, end));
    }
    at = alignUp(end, 8);
  }
  return undefined;
}

function readX86IsaLevel(properties: Buffer): number | undefined {
  for (let at = 0; at + GnuProperty.sizeBytes <= properties.length;) {
    const { type, dataSizeBytes } = GnuProperty.decode(properties, at);
    const dataAt = at + GnuProperty.sizeBytes;
    if (type > GNU_PROPERTY_X86_ISA_1_NEEDED || dataAt + dataSizeBytes > properties.length) return undefined;
    if (type === GNU_PROPERTY_X86_ISA_1_NEEDED) {
      const needed = dataSizeBytes === 4 ? properties.readUInt32LE(dataAt) : 0;
      return needed === 0 ? undefined : 31 - Math.clz32(needed);
    }
    at = dataAt + alignUp(dataSizeBytes, 8);
  }
  return undefined;
}
