import { compareUtf8 } from "@cvm-build/fs-writer";
import type { CachedLibrary } from "./format.ts";

/**
 * Compares library names as the dynamic linker does: runs of digits as numbers, and a digit above everything else, so that
 * `libfoo.so.10` is newer than `libfoo.so.9`.
 * @returns below, at or above zero
 * @see glibc 2.41, elf/dl-cache.c, `_dl_cache_libcmp`
 */
export function compareLibraryNames(a: string, b: string): number {
  const left = splitNumbers(a);
  const right = splitNumbers(b);
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const x = left[at];
    const y = right[at];
    if (typeof x === "bigint" && typeof y === "bigint") {
      if (x !== y) return x < y ? -1 : 1;
    } else if (typeof x === "bigint") {
      return 1;
    } else if (typeof y === "bigint") {
      return -1;
    } else if (x !== y) {
      return (x ?? -1) - (y ?? -1);
    }
  }
  return 0;
}

/** Order of the cache: names downwards, flags downwards, glibc-hwcaps entries first and by name. */
export function compareCachedLibraries(a: CachedLibrary, b: CachedLibrary): number {
  const order = compareLibraryNames(b.soname, a.soname) || b.flags - a.flags;
  if (order !== 0) return order;
  if (a.hwcaps && b.hwcaps) return compareUtf8(a.hwcaps.name, b.hwcaps.name);
  return Number(b.hwcaps !== undefined) - Number(a.hwcaps !== undefined);
}

/** Numbers as bigints, other characters as their bytes. */
function splitNumbers(name: string): (bigint | number)[] {
  const parts: (bigint | number)[] = [];
  for (const part of Buffer.from(name)
    .toString("latin1")
    .match(/\d+|\D/g) ?? []) {
    parts.push(/^\d/.test(part) ? BigInt(part) : part.charCodeAt(0));
  }
  return parts;
}
