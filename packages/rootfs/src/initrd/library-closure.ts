import { CvmError, FormatError } from "@cvm-build/bytes";
import { type FileTree, parentOf, readContent } from "@cvm-build/fs-writer";
import { type DlopenNeed, type ElfNeeds, readElfNeeds } from "../elf/needs.ts";
import { isElf64LittleEndian } from "../elf/reader.ts";
import { ElfHeader } from "../elf/format.ts";
import { listLibraryDirectories } from "../linker-cache/ld-so-conf.ts";
import type { TreePicker } from "./tree-picker.ts";

/** Which libraries are searched for where, and which of those that are only loaded when needed come along. */
export interface LibraryClosureOptions {
  architecture: "x86-64" | "arm64";
  /** Features of dlopen notes whose libraries come along although they are only suggested. */
  features: ReadonlySet<string>;
}

/** Libraries that a feature's own libraries load without a note. */
const UNNOTED_LIBRARIES: Readonly<Record<string, readonly string[]>> = { tpm: ["libtss2-tcti-device.so.0"] };

/**
 * Takes the dynamic linker and every shared library that the programs and libraries of `picker.target` need, and what these
 * need in turn.
 * @returns paths of the libraries, in the order in which they were found
 * @throws CvmError `initrd` where one is missing
 */
export function takeLibraries(picker: TreePicker, options: LibraryClosureOptions): string[] {
  const { source, target } = picker;
  const usual = listLibraryDirectories(source, options.architecture);
  const waiting = [...target.entries()].filter(([, { kind }]) => kind === "file").map(([path]) => path);
  const seen = new Set(waiting);
  const taken: string[] = [];
  const unfound: { path: string; soname: string }[] = [];
  const take = (path: string | undefined): boolean => {
    const place = path === undefined ? undefined : picker.take(path);
    if (place === undefined) return false;
    if (!seen.has(place)) {
      seen.add(place);
      taken.push(place);
      waiting.push(place);
    }
    return true;
  };
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    const needs = needsOf(source, path) ?? needsOf(target, path);
    if (!needs) continue;
    const directories = [...expandOrigin(needs.searchPath, path), ...usual];
    const find = (soname: string): string | undefined => findLibrary(source, soname, directories);
    if (needs.interpreter !== undefined && !take(needs.interpreter)) throw missing(path, needs.interpreter);
    for (const soname of needs.libraries) if (!take(find(soname))) unfound.push({ path, soname });
    for (const dlopen of needs.dlopens) takeLoaded(dlopen, { path, find, take, features: options.features });
  }
  // The linker takes a library that another object has loaded by the same name: where its own search would not find it.
  const names = new Set(taken.map((path) => path.slice(path.lastIndexOf("/") + 1)));
  for (const { path, soname } of unfound) if (!names.has(soname)) throw missing(path, soname);
  return taken;
}

interface Loading {
  path: string;
  find: (soname: string) => string | undefined;
  take: (path: string | undefined) => boolean;
  features: ReadonlySet<string>;
}

function takeLoaded({ sonames, feature, priority }: DlopenNeed, { path, find, take, features }: Loading): void {
  if (priority === "suggested" && !features.has(feature)) return;
  const found = sonames.some((soname) => take(find(soname)));
  if (!found && priority === "required") throw missing(path, sonames[0] ?? feature);
  if (found) for (const soname of UNNOTED_LIBRARIES[feature] ?? []) take(find(soname));
}

function needsOf(tree: FileTree, path: string): ElfNeeds | undefined {
  const node = tree.get(path);
  if (node?.kind !== "file" || node.content.sizeBytes < ElfHeader.sizeBytes || !mayBeElf(path)) return undefined;
  const bytes = readContent(node.content);
  if (!isElf64LittleEndian(bytes)) return undefined;
  try {
    return readElfNeeds(bytes);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError({ record: path }, cause.message, { cause, hint: "is the package's payload damaged?" });
  }
}

/** Modules are objects that need no libraries, and there are many. */
function mayBeElf(path: string): boolean {
  return !path.startsWith("/usr/lib/modules/");
}

function expandOrigin(searchPath: readonly string[], path: string): string[] {
  return searchPath.map((directory) => directory.replaceAll(/\$(?:ORIGIN|\{ORIGIN\})/g, parentOf(path)));
}

function findLibrary(tree: FileTree, soname: string, directories: readonly string[]): string | undefined {
  if (soname.includes("/")) return tree.follow(soname)?.kind === "file" ? soname : undefined;
  return directories.map((directory) => `${directory}/${soname}`).find((path) => tree.follow(path)?.kind === "file");
}

function missing(path: string, soname: string): CvmError<"initrd"> {
  return new CvmError(
    "initrd",
    `cannot put "${path}" into the initrd: expected its library "${soname}", got no such file`,
    {
      hint: "name the package that holds it in InitrdPackages=",
      details: { path, soname },
    },
  );
}
