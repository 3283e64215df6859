import { ascii, raw, record, u32le, u64le, u8, type ValueOf } from "@cvm-build/bytes";

/** `magic` and `version` together. @see glibc 2.41, sysdeps/generic/dl-cache.h */
export const CACHE_MAGIC = "glibc-ld.so.cache1.1";
/** `flags` of a little-endian cache. */
export const CACHE_LITTLE_ENDIAN = 2;
/** `magic` of the extension directory. */
export const EXTENSION_MAGIC = 0xeaa42174;

/** Tags of the extension directory's sections. */
export const ExtensionTag = { generator: 0, glibcHwcaps: 1 } as const;

/** Set in an entry's `hwcap`: its low 32 bits are an index into the names of glibc-hwcaps subdirectories. */
export const HWCAP_EXTENSION = 1n << 62n;
/** Where an entry's `hwcap` holds the ISA level that the library needs. */
export const HWCAP_ISA_LEVEL_SHIFT = 32n;

/** Flags of an entry: an ELF library for glibc 2 of an architecture. @see glibc 2.41, sysdeps/generic/ldconfig.h */
export const LIBRARY_FLAGS = { "x86-64": 0x0303, arm64: 0x0a03 } as const;

/** Start of the cache: 48 bytes, little-endian. Entries, strings and the extension directory follow. */
export const CacheHeader = record("CacheHeader", 48, {
  magic: [0x00, ascii(20)],
  entryCount: [0x14, u32le],
  stringsSizeBytes: [0x18, u32le],
  flags: [0x1c, u8],
  padding: [0x1d, raw(3)],
  /** From the start of the file, a multiple of four. */
  extensionOffset: [0x20, u32le],
  unused: [0x24, raw(12)],
});
export type CacheHeader = ValueOf<typeof CacheHeader>;

/** One library: 24 bytes. Offsets of strings count from the start of the file. */
export const CacheEntry = record("CacheEntry", 24, {
  flags: [0x00, u32le],
  sonameOffset: [0x04, u32le],
  pathOffset: [0x08, u32le],
  osVersion: [0x0c, u32le],
  hwcap: [0x10, u64le],
});

/** Start of the extension directory: 8 bytes. Its sections' descriptions follow. */
export const ExtensionHeader = record("ExtensionHeader", 8, {
  magic: [0x00, u32le],
  count: [0x04, u32le],
});

/** Description of an extension section: 16 bytes. */
export const ExtensionSection = record("ExtensionSection", 16, {
  tag: [0x00, u32le],
  flags: [0x04, u32le],
  /** From the start of the file. */
  offset: [0x08, u32le],
  sizeBytes: [0x0c, u32le],
});

/** A library as the dynamic linker finds it. */
export interface CachedLibrary {
  soname: string;
  path: string;
  flags: number;
  /** Where the library lies in a glibc-hwcaps subdirectory: its name, such as `x86-64-v3`, and the ISA level it needs. */
  hwcaps?: { name: string; isaLevel: number };
}

/** The whole cache as values. */
export interface LinkerCache {
  /** In the order of the file. */
  libraries: CachedLibrary[];
  /** Every subdirectory of glibc-hwcaps that was seen, whether used or not: their names are in the string table. */
  hwcapsNames: string[];
  /** What wrote it: `ldconfig (Debian GLIBC …) stable release version 2.41`. */
  generator: string;
}
