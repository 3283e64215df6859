import { DynamicTag, ElfDynamic, type ElfProgramHeader, SegmentType } from "./format.ts";
import { type Elf, readString, sliceElf } from "./reader.ts";

/** What the dynamic section of an object says to the dynamic linker. */
export interface Dynamic {
  /** `DT_SONAME`, where it has one. */
  soname?: string;
  /** Values of `DT_NEEDED`, in order. */
  needed: string[];
  /** Directories of `DT_RUNPATH`, or of `DT_RPATH` where that is absent, as written. */
  searchPath: string[];
}

/**
 * Reads the dynamic section.
 * @returns undefined where the object has none
 * @throws FormatError where it, or a string that it names, lies outside the file
 * @see System V gABI, "Dynamic Section"
 */
export function readDynamic(elf: Elf): Dynamic | undefined {
  const segment = elf.segments.findLast(({ type }) => type === SegmentType.dynamic);
  if (!segment || segment.fileSizeBytes === 0n) return undefined;
  const table = segmentBytes(elf, segment);
  const entries: { tag: bigint; value: bigint }[] = [];
  for (let at = 0; at + ElfDynamic.sizeBytes <= table.length; at += ElfDynamic.sizeBytes) {
    const entry = ElfDynamic.decode(table, at);
    if (entry.tag === DynamicTag.null) break;
    entries.push(entry);
  }
  const first = (tag: bigint): bigint | undefined => entries.find((entry) => entry.tag === tag)?.value;
  const stringsAddress = first(DynamicTag.stringTable);
  if (stringsAddress === undefined) return undefined;
  const stringsOffset = fileOffsetOf(elf, stringsAddress);
  const text = (value: bigint): string => {
    const offset = stringsOffset + value;
    const place = offset > BigInt(elf.bytes.length) ? elf.bytes.length : Number(offset);
    return readString(elf.bytes, place, "ElfDynamic");
  };
  const soname = first(DynamicTag.soname);
  const searchPath = first(DynamicTag.runpath) ?? first(DynamicTag.rpath);
  return {
    ...(soname === undefined ? {} : { soname: text(soname) }),
    needed: entries.filter(({ tag }) => tag === DynamicTag.needed).map(({ value }) => text(value)),
    searchPath: searchPath === undefined ? [] : text(searchPath).split(":").filter(Boolean),
  };
}

/**
 * The bytes of a segment.
 * @throws FormatError where they leave the file
 */
export function segmentBytes(elf: Elf, segment: ElfProgramHeader): Buffer {
  const range = { offset: segment.offset, sizeBytes: segment.fileSizeBytes, record: "ElfProgramHeader" };
  return sliceElf(elf.bytes, range);
}

/** Where in the file the byte lies that is loaded at `address`. */
function fileOffsetOf(elf: Elf, address: bigint): bigint {
  const segment = elf.segments.find(
    ({ type, virtualAddress, fileSizeBytes }) =>
      type === SegmentType.load && address >= virtualAddress && address - virtualAddress < fileSizeBytes,
  );
  return segment ? address - segment.virtualAddress + segment.offset : address;
}
