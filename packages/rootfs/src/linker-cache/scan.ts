import type { FileTree } from "@cvm-build/fs-writer";
import { compareLibraryNames } from "./compare.ts";
import type { CachedLibrary } from "./format.ts";
import type { LibraryFactsCache } from "./facts-cache.ts";
import type { LibraryFacts } from "./library.ts";

/** A directory to scan. */
export interface LibraryDirectory {
  /** As configured: the cache holds paths of this form. */
  path: string;
  /** The directory of the tree that it leads to. */
  resolved: string;
  /** Name of the glibc-hwcaps subdirectory that it is. */
  hwcapsName?: string;
}

/** What a scan of one directory came to. */
export interface ScanResult {
  libraries: CachedLibrary[];
  /** Links `<directory>/<soname>` that must lead to the library of that name. */
  links: { path: string; target: string }[];
  /** Symbolic links to libraries that lead nowhere. */
  stale: string[];
  /** Files named like libraries that are damaged or of another class. */
  unread: string[];
}

interface Candidate {
  name: string;
  isLink: boolean;
  facts: LibraryFacts;
}

/** A file no longer than an ELF header is no library. */
const MIN_LIBRARY_BYTES = 64;

/**
 * The directories once each, every one followed by its subdirectories of glibc-hwcaps; two paths to one directory
 * count as the first.
 */
export function resolveDirectories(tree: FileTree, paths: readonly string[]): LibraryDirectory[] {
  const seen = new Map<string, LibraryDirectory>();
  const add = (directory: LibraryDirectory): boolean => {
    if (seen.has(directory.resolved)) return false;
    seen.set(directory.resolved, directory);
    return true;
  };
  for (const path of paths) {
    const resolved = directoryAt(tree, path);
    if (resolved === undefined || !add({ path, resolved })) continue;
    const hwcaps = directoryAt(tree, `${resolved}/glibc-hwcaps`);
    for (const name of hwcaps === undefined ? [] : tree.list(hwcaps)) {
      const below = directoryAt(tree, `${hwcaps}/${name}`);
      if (name.startsWith(".") || name.includes(":") || below === undefined) continue;
      add({ path: `${path}/glibc-hwcaps/${name}`, resolved: below, hwcapsName: name });
    }
  }
  return [...seen.values()];
}

/** Finds the newest library of each soname in a directory, as `ldconfig` does, whatever the order of its entries. */
export function scanDirectory(
  tree: FileTree,
  directory: LibraryDirectory,
  { facts: cache }: { facts: LibraryFactsCache },
): ScanResult {
  const result: ScanResult = { libraries: [], links: [], stale: [], unread: [] };
  const bySoname = new Map<string, Candidate>();
  for (const name of tree.list(directory.resolved)) {
    const path = `${directory.resolved}/${name}`;
    const node = tree.get(path);
    const isLink = node?.kind === "symlink";
    if (!(isLibraryName(name) || (isLink && directory.hwcapsName !== undefined)) || isTemporary(name)) continue;
    const target = tree.follow(path);
    if (isLink && !target && name.includes(".so.")) result.stale.push(path);
    if (target?.kind !== "file" || target.content.sizeBytes < MIN_LIBRARY_BYTES) continue;
    const facts = cache.factsOf(target.content);
    if (facts === "unread") result.unread.push(path);
    if (typeof facts === "string") continue;
    offer(bySoname, { name, isLink, facts });
  }
  for (const [soname, { name, isLink, facts }] of bySoname) {
    const isPlain = directory.hwcapsName === undefined;
    if (isPlain && !isLink && soname !== name)
      result.links.push({ path: `${directory.resolved}/${soname}`, target: name });
    result.libraries.push({
      soname,
      path: `${directory.path}/${isPlain ? soname : name}`,
      flags: facts.flags,
      ...(directory.hwcapsName === undefined
        ? {}
        : { hwcaps: { name: directory.hwcapsName, isaLevel: facts.isaLevel } }),
    });
  }
  return result;
}

/** Takes a candidate unless its soname has a better one: a file before a link, then the newer name. */
function offer(bySoname: Map<string, Candidate>, candidate: Candidate): void {
  const soname = candidate.facts.soname ?? candidate.name;
  const isLink = candidate.isLink && isLinkOf(candidate.name, soname);
  const key = isLink ? candidate.name : soname;
  const other = bySoname.get(key);
  const isBetter =
    !other ||
    (!isLink && other.isLink) ||
    (isLink === other.isLink && compareLibraryNames(other.name, candidate.name) < 0);
  if (isBetter) bySoname.set(key, { ...candidate, isLink });
}

/** A link counts as one where it is the soname itself, or the `.so` for the link editor; others are taken for files. */
function isLinkOf(name: string, soname: string): boolean {
  return name === soname || (name.endsWith(".so") && soname.startsWith(name));
}

/** @see glibc 2.41, elf/dl-is_dso.h */
function isLibraryName(name: string): boolean {
  return /^(?:lib|ld-).*\.so/s.test(name) || name.startsWith("ld.so.") || name.startsWith("ld64.so.");
}

/** Left by prelink, rpm and dpkg. */
function isTemporary(name: string): boolean {
  return /\.#prelink#(?:\..{6})?$|;|\.dpkg-(?:new|tmp)$/s.test(name);
}

function directoryAt(tree: FileTree, path: string): string | undefined {
  const resolved = tree.resolve(path);
  return resolved !== undefined && tree.get(resolved)?.kind === "directory" ? resolved : undefined;
}
