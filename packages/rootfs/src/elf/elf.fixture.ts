import { alignUp } from "@cvm-build/bytes";
import {
  DynamicTag,
  ELF_MAGIC,
  ELFCLASS64,
  ELFDATA2LSB,
  ElfDynamic,
  ElfHeader,
  ElfMachine,
  ElfNote,
  ElfProgramHeader,
  ElfSectionHeader,
  ElfSymbol,
  ElfType,
  GNU_PROPERTY_X86_ISA_1_NEEDED,
  GnuProperty,
  NT_GNU_PROPERTY_TYPE_0,
  SegmentType,
} from "./format.ts";

/** What goes into a made-up object. */
export interface ElfRecipe {
  type: keyof typeof ElfType;
  machine?: number;
  sections?: readonly { name: string; bytes: Buffer }[];
  segments?: readonly { type: number; bytes: Buffer; alignment?: number }[];
}

/** An ELF object with the given sections and segments; addresses equal offsets. */
export function makeElf({ type, machine = ElfMachine.x86_64, sections = [], segments = [] }: ElfRecipe): Buffer {
  const names = Buffer.from(`\0${[...sections.map(({ name }) => name), ".shstrtab"].join("\0")}\0`);
  const all = [...sections, { name: ".shstrtab", bytes: names }];
  const segmentTable = ElfHeader.sizeBytes;
  const parts: Buffer[] = [];
  let end = segmentTable + segments.length * ElfProgramHeader.sizeBytes;
  const place = (bytes: Buffer): bigint => {
    const start = alignUp(end, 8);
    parts.push(Buffer.alloc(start - end), bytes);
    end = start + bytes.length;
    return BigInt(start);
  };
  const segmentHeaders = segments.map(({ type: kind, bytes, alignment = 8 }) => {
    const offset = place(bytes);
    const sizeBytes = BigInt(bytes.length);
    return ElfProgramHeader.encode({
      type: kind,
      flags: 4,
      offset,
      virtualAddress: offset,
      physicalAddress: offset,
      fileSizeBytes: sizeBytes,
      memorySizeBytes: sizeBytes,
      alignment: BigInt(alignment),
    });
  });
  const empty = { flags: 0n, address: 0n, link: 0, info: 0, alignment: 1n, entrySizeBytes: 0n };
  const sectionHeaders = [
    ElfSectionHeader.encode({ ...empty, nameOffset: 0, type: 0, offset: 0n, sizeBytes: 0n }),
    ...all.map(({ name, bytes }) =>
      ElfSectionHeader.encode({
        ...empty,
        nameOffset: names.indexOf(`\0${name}\0`) + 1,
        type: 1,
        offset: place(bytes),
        sizeBytes: BigInt(bytes.length),
      }),
    ),
  ];
  const sectionTable = place(Buffer.concat(sectionHeaders));
  const header = ElfHeader.encode({
    magic: ELF_MAGIC,
    class: ELFCLASS64,
    data: ELFDATA2LSB,
    identVersion: 1,
    osAbi: 0,
    padding: Buffer.alloc(8),
    type: ElfType[type],
    machine,
    version: 1,
    entry: 0n,
    programHeaderOffset: BigInt(segmentTable),
    sectionHeaderOffset: sectionTable,
    flags: 0,
    headerSizeBytes: ElfHeader.sizeBytes,
    programHeaderSizeBytes: ElfProgramHeader.sizeBytes,
    programHeaderCount: segments.length,
    sectionHeaderSizeBytes: ElfSectionHeader.sizeBytes,
    sectionHeaderCount: sectionHeaders.length,
    sectionNamesIndex: sectionHeaders.length - 1,
  });
  return Buffer.concat([header, ...segmentHeaders, ...parts]);
}

/** A kernel module that exports and needs symbols and says things in `.modinfo`. */
export function makeModule(recipe: { modinfo?: string[]; exports?: string[]; needs?: string[] }): Buffer {
  const { modinfo = [], exports = [], needs = [] } = recipe;
  const symbols = [
    ...exports.map((name) => ({ name: `__crc_${name}`, sectionIndex: 1 })),
    ...needs.map((name) => ({ name, sectionIndex: 0 })),
  ];
  let strings = "\0";
  const table = symbols.map(({ name, sectionIndex }) => {
    const nameOffset = strings.length;
    strings += `${name}\0`;
    return ElfSymbol.encode({ nameOffset, info: 0x10, other: 0, sectionIndex, value: 0n, sizeBytes: 0n });
  });
  return makeElf({
    type: "relocatable",
    sections: [
      { name: ".modinfo", bytes: Buffer.from(modinfo.map((text) => `${text}\0`).join("")) },
      { name: ".symtab", bytes: Buffer.concat([Buffer.alloc(ElfSymbol.sizeBytes), ...table]) },
      { name: ".strtab", bytes: Buffer.from(strings) },
    ],
  });
}

/** A shared object or program that says these things to the dynamic linker. */
export interface LibraryRecipe {
  soname?: string;
  isaNeeded?: number;
  machine?: number;
  type?: ElfRecipe["type"];
  needed?: readonly string[];
  runpath?: string;
  interpreter?: string;
  /** Texts of dlopen notes. */
  dlopens?: readonly string[];
}

/** A shared object with that soname, that needs that x86 ISA level and those libraries. */
export function makeLibrary(recipe: LibraryRecipe): Buffer {
  const { machine = ElfMachine.x86_64, type = "sharedObject", interpreter, dlopens = [] } = recipe;
  const words = [
    ...(recipe.needed ?? []).map((text) => ({ tag: DynamicTag.needed, text })),
    ...(recipe.soname === undefined ? [] : [{ tag: DynamicTag.soname, text: recipe.soname }]),
    ...(recipe.runpath === undefined ? [] : [{ tag: DynamicTag.runpath, text: recipe.runpath }]),
  ];
  let strings = "\0";
  const entries = words.map(({ tag, text }) => {
    const value = BigInt(strings.length);
    strings += `${text}\0`;
    return { tag, value };
  });
  const segments = [
    { type: SegmentType.load, bytes: Buffer.from(strings) },
    { type: SegmentType.dynamic, bytes: Buffer.alloc((entries.length + 2) * ElfDynamic.sizeBytes) },
    ...(recipe.isaNeeded === undefined ? [] : [{ type: SegmentType.gnuProperty, bytes: isaNote(recipe.isaNeeded) }]),
    ...(interpreter === undefined ? [] : [{ type: SegmentType.interpreter, bytes: Buffer.from(`${interpreter}\0`) }]),
  ];
  const stringsAddress = BigInt(alignUp(ElfHeader.sizeBytes + segments.length * ElfProgramHeader.sizeBytes, 8));
  const dynamic = [
    ...entries,
    { tag: DynamicTag.stringTable, value: stringsAddress },
    { tag: DynamicTag.null, value: 0n },
  ];
  Buffer.concat(dynamic.map((entry) => ElfDynamic.encode(entry))).copy(segments[1]!.bytes);
  const sections =
    dlopens.length === 0 ? [] : [{ name: ".note.dlopen", bytes: Buffer.concat(dlopens.map(dlopenNote)) }];
  return makeElf({ type, machine, segments, sections });
}

/** A dlopen note, as `systemd` puts them into its libraries. */
export function dlopenNote(text: string): Buffer {
  const descriptor = Buffer.from(`${text}\0`);
  return Buffer.concat([
    ElfNote.encode({ nameSizeBytes: 4, descriptorSizeBytes: descriptor.length, type: 0x407c0c0a }),
    Buffer.from("FDO\0"),
    descriptor,
    Buffer.alloc(alignUp(descriptor.length, 4) - descriptor.length),
  ]);
}

function isaNote(needed: number): Buffer {
  const data = Buffer.alloc(8);
  data.writeUInt32LE(needed);
  return Buffer.concat([
    ElfNote.encode({ nameSizeBytes: 4, descriptorSizeBytes: 16, type: NT_GNU_PROPERTY_TYPE_0 }),
    Buffer.from("GNU\0"),
    GnuProperty.encode({ type: GNU_PROPERTY_X86_ISA_1_NEEDED, dataSizeBytes: 4 }),
    data,
  ]);
}
