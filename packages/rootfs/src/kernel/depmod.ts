import { compareCodeUnits, FormatError } from "@cvm-build/bytes";
import { type GraphModule, sortDependencies } from "./dependency-order.ts";
import { ModuleIndexWriter, isIndexable } from "./module-index/writer.ts";
import { type ModuleFacts, normalizeModuleName, readModinfo } from "./module-facts.ts";

/** What depmod reads of a kernel. */
export interface DepmodInput {
  modules: readonly { name: string; relativePath: string; facts: ModuleFacts }[];
  /** Contents of the files that the kernel's build wrote. */
  order: string;
  builtin: string | undefined;
  builtinModinfo: Buffer | undefined;
}

interface IndexedModule extends GraphModule {
  facts: ModuleFacts;
}

/**
 * The files that depmod writes beside a kernel's modules, by name.
 * `modules.symbols` is sorted by symbol, where depmod follows its hash table; all others are depmod's byte for byte.
 * @throws FormatError where an alias or a symbol is not 7-bit ASCII
 * @throws CvmError `kernel-modules` where modules need each other in a cycle
 */
export function makeModuleIndexes(input: DepmodInput): Map<string, Buffer> {
  const modules = orderModules(input);
  const owners = linkModules(modules);
  const dependencies = sortDependencies(modules);
  const line = (module: GraphModule): string =>
    [`${module.relativePath}:`, ...(dependencies.get(module) ?? []).map((other) => other.relativePath)].join(" ");
  const symbols = [...owners].sort(([a], [b]) => compareCodeUnits(a, b));
  const aliases = modules.flatMap((module) => module.facts.aliases.map((alias) => ({ alias, module })));

  const files = new Map<string, Buffer>([
    ["modules.dep", textFile(modules.map(line))],
    [
      "modules.dep.bin",
      indexOf(modules.map((module) => ({ key: module.name, value: line(module), priority: module.index }))),
    ],
    [
      "modules.alias",
      textFile([
        "# Aliases extracted from modules themselves.",
        ...aliases.map(({ alias, module }) => `alias ${alias} ${module.name}`),
      ]),
    ],
    [
      "modules.alias.bin",
      indexOf(
        aliases.map(({ alias, module }) => ({
          key: normalizeAlias(alias),
          value: module.name,
          priority: module.index,
        })),
      ),
    ],
    [
      "modules.symbols",
      textFile([
        "# Aliases for symbols, used by symbol_request().",
        ...symbols.map(([symbol, owner]) => `alias symbol:${symbol} ${owner.name}`),
      ]),
    ],
    [
      "modules.symbols.bin",
      indexOf(
        symbols.map(([symbol, owner]) => ({ key: `symbol:${symbol}`, value: owner.name, priority: owner.index })),
      ),
    ],
    [
      "modules.softdep",
      commandFile("# Soft dependencies extracted from modules themselves.", "softdep", modules, "softdeps"),
    ],
    [
      "modules.weakdep",
      commandFile("# Weak dependencies extracted from modules themselves.", "weakdep", modules, "weakdeps"),
    ],
    ["modules.devname", textFile(deviceNames(modules))],
  ]);
  if (input.builtin !== undefined) files.set("modules.builtin.bin", builtinIndex(input.builtin));
  if (input.builtinModinfo) files.set("modules.builtin.alias.bin", builtinAliasIndex(input.builtinModinfo));
  return files;
}

/** Module names of `modules.builtin`: one path a line. */
export function readBuiltinNames(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => /^[A-Za-z]/.test(line))
    .map((line) => normalizeModuleName(line.slice(line.lastIndexOf("/") + 1).replace(/\..*$/s, "")));
}

/** Those of `modules.order` in its order, which is the order of linking; then the others by path. */
function orderModules({ modules, order }: DepmodInput): IndexedModule[] {
  const rank = new Map(order.split("\n").map((path, index) => [path, index]));
  const rankOf = ({ relativePath }: { relativePath: string }): number =>
    rank.get(relativePath.replace(/\.(?:gz|xz|zst)$/, "")) ?? Infinity;
  return modules
    .toSorted((a, b) => rankOf(a) - rankOf(b) || compareCodeUnits(a.relativePath, b.relativePath))
    .map(({ name, relativePath, facts }, index) => ({ name, relativePath, facts, index, dependencies: [] }));
}

/** Finds who exports each symbol (the last one, as in depmod) and links users to owners. */
function linkModules(modules: readonly IndexedModule[]): Map<string, IndexedModule> {
  const owners = new Map<string, IndexedModule>();
  for (const module of modules) for (const symbol of module.facts.exports) owners.set(symbol, module);
  for (const module of modules) {
    const found = new Set<IndexedModule>();
    for (const symbol of module.facts.needs) {
      const owner = owners.get(symbol.replace(/^\./, ""));
      if (owner) found.add(owner);
    }
    module.dependencies = [...found];
  }
  return owners;
}

function commandFile(
  comment: string,
  command: string,
  modules: readonly IndexedModule[],
  facts: "softdeps" | "weakdeps",
): Buffer {
  return textFile([
    comment,
    ...modules.flatMap((module) => module.facts[facts].map((value) => `${command} ${module.name} ${value}`)),
  ]);
}

/** Nodes that udev may make before their module is loaded: those with a name and a number. */
function deviceNames(modules: readonly IndexedModule[]): string[] {
  const lines: string[] = [];
  for (const { name, facts } of modules) {
    let device: string | undefined;
    let number: string | undefined;
    for (const alias of facts.aliases) {
      const major = /^(char|block)-major-(\d+)-(\d+)/.exec(alias);
      if (alias.startsWith("devname:")) device = alias.slice("devname:".length);
      else if (major) number = `${major[1] === "char" ? "c" : "b"}${Number(major[2])}:${Number(major[3])}`;
      if (device !== undefined && number !== undefined) break;
    }
    if (device !== undefined && number !== undefined) lines.push(`${name} ${device} ${number}`);
  }
  return lines.length === 0 ? [] : ["# Device nodes to trigger on-demand module loading.", ...lines];
}

function builtinIndex(text: string): Buffer {
  return indexOf(readBuiltinNames(text).map((key) => ({ key, value: "", priority: 0 })));
}

function builtinAliasIndex(modinfo: Buffer): Buffer {
  const entries = readModinfo(modinfo)
    .filter(([key]) => key.slice(key.indexOf(".") + 1) === "alias")
    .map(([key, alias]) => ({ key: normalizeAlias(alias), value: key.slice(0, key.indexOf(".")), priority: 0 }));
  return indexOf(entries);
}

/** Dashes become underscores, but not in `[…]`; undefined, as depmod leaves it out, where brackets do not pair up. */
function normalizeAlias(alias: string): string | undefined {
  let normal = "";
  for (let at = 0; at < alias.length; at++) {
    const character = alias[at];
    if (character === "]") return undefined;
    if (character === "[") {
      const close = alias.indexOf("]", at);
      if (close < 0) return undefined;
      normal += alias.slice(at, close + 1);
      at = close;
    } else {
      normal += character === "-" ? "_" : character;
    }
  }
  return normal;
}

function indexOf(entries: readonly { key: string | undefined; value: string; priority: number }[]): Buffer {
  const writer = new ModuleIndexWriter();
  for (const { key, value, priority } of entries) {
    if (key === undefined) continue;
    if (!isIndexable(key) || !isIndexable(value)) {
      throw new FormatError({ record: "modinfo" }, `expected 7-bit ASCII, got ${JSON.stringify(key)}`);
    }
    writer.add(key, { value, priority });
  }
  return writer.encode();
}

function textFile(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(""), "latin1");
}
