import { alignUp } from "@cvm-build/bytes";
import { compareUtf8 } from "@cvm-build/fs-writer";
import {
  CACHE_LITTLE_ENDIAN,
  CACHE_MAGIC,
  type CachedLibrary,
  CacheEntry,
  CacheHeader,
  EXTENSION_MAGIC,
  ExtensionHeader,
  ExtensionSection,
  ExtensionTag,
  HWCAP_EXTENSION,
  HWCAP_ISA_LEVEL_SHIFT,
  type LinkerCache,
} from "./format.ts";
import { layOutStrings } from "./string-table.ts";

/** Encodes a cache in glibc's new format, byte for byte as `ldconfig` does. The libraries are in order already. */
export function encodeLinkerCache(cache: LinkerCache): Buffer {
  const { libraries } = cache;
  const strings = layOutStrings([...libraries.flatMap(({ soname, path }) => [soname, path]), ...cache.hwcapsNames]);
  const stringsOffset = CacheHeader.sizeBytes + libraries.length * CacheEntry.sizeBytes;
  const offsetOf = (text: string): number => stringsOffset + (strings.offsets.get(text) ?? 0);
  const usedNames = [...new Set(libraries.flatMap(({ hwcaps }) => (hwcaps ? [hwcaps.name] : [])))].sort(compareUtf8);
  const extensionOffset = alignUp(stringsOffset + strings.bytes.length, 4);
  const header = CacheHeader.encode({
    magic: CACHE_MAGIC,
    entryCount: libraries.length,
    stringsSizeBytes: strings.bytes.length,
    flags: CACHE_LITTLE_ENDIAN,
    padding: Buffer.alloc(3),
    extensionOffset,
    unused: Buffer.alloc(12),
  });
  const entries = libraries.map((library) =>
    CacheEntry.encode({
      flags: library.flags,
      sonameOffset: offsetOf(library.soname),
      pathOffset: offsetOf(library.path),
      osVersion: 0,
      hwcap: hwcapOf(library, usedNames),
    }),
  );
  return Buffer.concat([
    header,
    ...entries,
    strings.bytes,
    Buffer.alloc(extensionOffset - stringsOffset - strings.bytes.length),
    encodeExtensions(usedNames.map(offsetOf), cache.generator, extensionOffset),
  ]);
}

function hwcapOf({ hwcaps }: CachedLibrary, usedNames: readonly string[]): bigint {
  if (!hwcaps) return 0n;
  return HWCAP_EXTENSION | (BigInt(hwcaps.isaLevel) << HWCAP_ISA_LEVEL_SHIFT) | BigInt(usedNames.indexOf(hwcaps.name));
}

/** The directory, the offsets of the hwcaps names, and the generator, in that order. */
function encodeExtensions(nameOffsets: readonly number[], generator: string, extensionOffset: number): Buffer {
  const names = Buffer.alloc(4 * nameOffsets.length);
  nameOffsets.forEach((offset, index) => names.writeUInt32LE(offset, 4 * index));
  const text = Buffer.from(generator);
  const count = names.length > 0 ? 2 : 1;
  const dataOffset = extensionOffset + ExtensionHeader.sizeBytes + count * ExtensionSection.sizeBytes;
  const sections = [
    { tag: ExtensionTag.generator, flags: 0, offset: dataOffset + names.length, sizeBytes: text.length },
    { tag: ExtensionTag.glibcHwcaps, flags: 0, offset: dataOffset, sizeBytes: names.length },
  ];
  return Buffer.concat([
    ExtensionHeader.encode({ magic: EXTENSION_MAGIC, count }),
    ...sections.slice(0, count).map((section) => ExtensionSection.encode(section)),
    names,
    text,
  ]);
}
