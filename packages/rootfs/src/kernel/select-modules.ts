import { compareCodeUnits, CvmError } from "@cvm-build/bytes";
import { type ModuleFacts, normalizeModuleName } from "./module-facts.ts";
import { type ModuleFile, stripModuleSuffix } from "./module-files.ts";
import { isSelected, type ModulePattern } from "./patterns.ts";

/** What a selection came to. */
export interface ModuleSelection {
  /** The modules to keep, by path. */
  kept: ModuleFile[];
  /** Patterns that name only what is built into the kernel. */
  builtin: string[];
}

/** What patterns are held against. */
export interface ModuleUniverse {
  release: string;
  files: readonly ModuleFile[];
  /** Paths of modules.builtin, such as `kernel/fs/ext4/ext4.ko`. */
  builtinPaths: readonly string[];
}

/**
 * The modules that the patterns select, and all that these depend on.
 * @param factsOf reads modules' facts; called for kept modules only
 * @throws CvmError `kernel-modules` where a pattern matches neither a module nor a builtin one, or a dependency is missing
 */
export async function selectModules(
  universe: ModuleUniverse,
  patterns: readonly ModulePattern[],
  { factsOf }: { factsOf: (files: readonly ModuleFile[]) => Promise<ModuleFacts[]> },
): Promise<ModuleSelection> {
  const builtin = checkPatterns(universe, patterns);
  const byName = new Map(universe.files.map((file) => [file.name, file]));
  const builtinNames = new Set(universe.builtinPaths.map(moduleNameOf));
  let todo = universe.files.filter((file) => isSelected(stripModuleSuffix(file.relativePath), patterns));
  const kept = new Set(todo);
  while (todo.length > 0) {
    const found = await factsOf(todo);
    todo.forEach((file, index) => checkDependencies(file, found[index]?.depends ?? [], { byName, builtinNames }));
    const names = found.flatMap(({ depends, softdeps }) => [...depends, ...softdeps.flatMap(softdepNames)]);
    const dependencies = new Set(names.map((name) => byName.get(name)));
    todo = universe.files.filter((file) => dependencies.has(file) && !kept.has(file));
    for (const file of todo) kept.add(file);
  }
  return { kept: universe.files.filter((file) => kept.has(file)), builtin };
}

/** A module whose dependency is gone could not be loaded. Soft dependencies may be missing. */
function checkDependencies(
  file: ModuleFile,
  depends: readonly string[],
  { byName, builtinNames }: { byName: ReadonlyMap<string, ModuleFile>; builtinNames: ReadonlySet<string> },
): void {
  const missing = depends.find((name) => !byName.has(name) && !builtinNames.has(name));
  if (missing === undefined) return;
  throw new CvmError("kernel-modules", `cannot keep module "${file.path}": expected "${missing}", got no such module`, {
    hint: `does RemoveFiles= take ${missing} away?`,
  });
}

/** The kernel's name for the module at a path. */
function moduleNameOf(path: string): string {
  return normalizeModuleName(stripModuleSuffix(path.slice(path.lastIndexOf("/") + 1)));
}

/** Module names in a `softdep` value: `pre: a b post: c`. */
function softdepNames(value: string): string[] {
  return value
    .split(/\s+/)
    .filter((word) => word !== "" && !word.endsWith(":"))
    .map(normalizeModuleName);
}

/** @returns the patterns that match builtin modules only */
function checkPatterns(universe: ModuleUniverse, patterns: readonly ModulePattern[]): string[] {
  const modulePaths = universe.files.map((file) => stripModuleSuffix(file.relativePath));
  const builtinPaths = universe.builtinPaths.map(stripModuleSuffix);
  const builtin: string[] = [];
  for (const pattern of patterns) {
    if (pattern.isOptional || modulePaths.some((path) => pattern.matches(path))) continue;
    if (!builtinPaths.some((path) => pattern.matches(path))) throw unmatched(universe, pattern);
    builtin.push(pattern.text);
  }
  return builtin;
}

function unmatched(universe: ModuleUniverse, { text, setting }: ModulePattern): CvmError {
  const wanted = normalizeModuleName(text.replace(/^-/, "").replace(/\/$/, ""));
  const base = wanted.slice(wanted.lastIndexOf("/") + 1);
  const names = new Set([...universe.files.map(({ name }) => name), ...universe.builtinPaths.map(moduleNameOf)]);
  const close = [...names]
    .map((name) => ({ name, distance: name.includes(base) && base.length > 2 ? 1 : editDistance(name, base) }))
    .filter(({ distance }) => distance <= Math.max(1, Math.floor(base.length / 3)))
    .sort((a, b) => a.distance - b.distance || compareCodeUnits(a.name, b.name))
    .slice(0, 3)
    .map(({ name }) => name);
  return new CvmError(
    "kernel-modules",
    `cannot select kernel modules "${text}": expected a module of kernel ${universe.release}, got no match`,
    {
      hint:
        close.length > 0 ? `did you mean ${close.join(", ")}?` : "see modules.order and modules.builtin of the kernel",
      details: { setting, pattern: text, release: universe.release },
    },
  );
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
