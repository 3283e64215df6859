import { FormatError } from "@cvm-build/bytes";
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

/** glibc knows two kinds of section; a directory with more than this is none. */
const MAX_SECTIONS = 64;

/**
 * Reads a cache in glibc's new format.
 * @returns its values; `hwcapsNames` are those in use
 * @throws FormatError where it is none, or an offset leaves the file
 */
export function readLinkerCache(bytes: Buffer): LinkerCache {
  const header = CacheHeader.decode(bytes);
  if (header.magic !== CACHE_MAGIC) fail("magic", 0, `expected ${CACHE_MAGIC}`);
  if (header.flags !== CACHE_LITTLE_ENDIAN) fail("flags", 0x1c, "expected a little-endian cache");
  const sizeBytes = header.entryCount * CacheEntry.sizeBytes;
  if (CacheHeader.sizeBytes + sizeBytes + header.stringsSizeBytes > bytes.length) {
    fail("entryCount", 0x14, `expected entries and strings inside ${bytes.length} bytes`);
  }
  const { generator, hwcapsNames } = readExtensions(bytes, header.extensionOffset);
  const libraries = Array.from({ length: header.entryCount }, (_, index): CachedLibrary => {
    const at = CacheHeader.sizeBytes + index * CacheEntry.sizeBytes;
    const entry = CacheEntry.decode(bytes, at);
    const library = {
      soname: readText(bytes, entry.sonameOffset),
      path: readText(bytes, entry.pathOffset),
      flags: entry.flags,
    };
    if ((entry.hwcap & HWCAP_EXTENSION) === 0n) return library;
    const name = hwcapsNames[Number(entry.hwcap & 0xffff_ffffn)];
    if (name === undefined) fail("hwcap", at, `expected one of ${hwcapsNames.length} subdirectories`);
    return { ...library, hwcaps: { name, isaLevel: Number((entry.hwcap >> HWCAP_ISA_LEVEL_SHIFT) & 0x3ffn) } };
  });
  return { libraries, hwcapsNames, generator };
}

function readExtensions(bytes: Buffer, offset: number): { generator: string; hwcapsNames: string[] } {
  const { magic, count } = ExtensionHeader.decode(bytes, offset);
  if (magic !== EXTENSION_MAGIC) fail("extensionOffset", offset, "expected an extension directory");
  if (count > MAX_SECTIONS) fail("count", offset, `expected at most ${MAX_SECTIONS} sections`);
  let generator = "";
  let hwcapsNames: string[] = [];
  for (let index = 0; index < count; index++) {
    const at = offset + ExtensionHeader.sizeBytes + index * ExtensionSection.sizeBytes;
    const section = ExtensionSection.decode(bytes, at);
    if (section.offset + section.sizeBytes > bytes.length) fail("section", at, "expected a section inside the file");
    const data = bytes.subarray(section.offset, section.offset + section.sizeBytes);
    if (section.tag === ExtensionTag.generator) generator = data.toString();
    if (section.tag === ExtensionTag.glibcHwcaps) {
      hwcapsNames = Array.from({ length: Math.floor(data.length / 4) }, (_, word) =>
        readText(bytes, data.readUInt32LE(4 * word)),
      );
    }
  }
  return { generator, hwcapsNames };
}

/** No path of Linux is longer; it also bounds the work on a cache whose entries share one text. */
const MAX_TEXT_BYTES = 4096;

function readText(bytes: Buffer, offset: number): string {
  const window = bytes.subarray(offset, offset + MAX_TEXT_BYTES + 1);
  const end = window.indexOf(0);
  if (end < 0) fail("string", offset, `expected text of at most ${MAX_TEXT_BYTES} bytes that ends with NUL`);
  return window.toString("utf8", 0, end);
}

function fail(field: string, offsetBytes: number, expectation: string): never {
  throw new FormatError({ record: "ld.so.cache", field, offsetBytes }, expectation);
}
