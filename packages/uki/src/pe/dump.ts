import { CoffHeader, OPTIONAL_HEADER_MAGIC, OptionalHeader32, OptionalHeader64 } from "./format.ts";
import type { PeImage } from "./reader.ts";

/** A PE image's headers as text: one `name = value` line a field, one line a directory and a section. */
export function dumpPe(image: PeImage): string {
  const optional =
    image.optional.magic === OPTIONAL_HEADER_MAGIC.pe32Plus
      ? OptionalHeader64.dump(image.optional as OptionalHeader64)
      : OptionalHeader32.dump(image.optional as OptionalHeader32);
  const directories = image.directories.flatMap(({ virtualAddress, sizeBytes }, index) =>
    virtualAddress === 0 && sizeBytes === 0 ? [] : [`${index}: ${hex(virtualAddress)} +${hex(sizeBytes)}\n`],
  );
  const sections = image.sections.map(
    (section) =>
      `${section.name.padEnd(8)} memory ${hex(section.virtualAddress)} +${hex(section.virtualSizeBytes)} ` +
      `file ${hex(section.pointerToRawData)} +${hex(section.sizeOfRawData)} flags ${hex(section.characteristics)}\n`,
  );
  return [
    `[coff at ${hex(image.coffOffset)}]\n`,
    CoffHeader.dump(image.coff),
    `[optional at ${hex(image.optionalOffset)}]\n`,
    optional,
    `[directories at ${hex(image.directoriesOffset)}]\n`,
    ...directories,
    `[sections at ${hex(image.sectionTableOffset)}]\n`,
    ...sections,
  ].join("");
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
