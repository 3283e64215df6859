import { FormatError } from "@cvm-build/bytes";
import { SHN_UNDEF } from "../elf/format.ts";
import { type Elf, readElf, readSymbols } from "../elf/reader.ts";

/** What a module's own bytes say, as far as selection and indexes need it. Plain JSON, so that it can be cached. */
export interface ModuleFacts {
  /** Module names of `depends=`, dashes as underscores. */
  depends: string[];
  /** Values of `softdep=`, `weakdep=` and `alias=`, in file order. */
  softdeps: string[];
  weakdeps: string[];
  aliases: string[];
  /** Symbols it exports, in symbol-table order. */
  exports: string[];
  /** Symbols it needs, in the order in which depmod sees them. */
  needs: string[];
}

const CRC_PREFIX = "__crc_";

/** Symbols that the module loader itself provides. @see kmod, depmod, "magically inserted by kernel loader" */
const LOADER_SYMBOLS = new Set(["__this_module", "_GLOBAL_OFFSET_TABLE_"]);

/**
 * Reads a kernel module, decompressed.
 * @throws FormatError where it is no 64-bit little-endian ELF object
 */
export function readModuleFacts(bytes: Buffer): ModuleFacts {
  const elf = readElf(bytes);
  const info = readModinfo(elf.section(".modinfo") ?? Buffer.alloc(0));
  const all = (key: string): string[] => info.filter(([name]) => name === key).map(([, value]) => value);
  const { exports, needs } = readLinkage(elf);
  return {
    depends: all("depends").flatMap((list) => list.split(",").filter(Boolean).map(normalizeModuleName)),
    softdeps: all("softdep"),
    weakdeps: all("weakdep"),
    aliases: all("alias"),
    exports,
    needs,
  };
}

/** The name under which the kernel knows a module: dashes are underscores. */
export function normalizeModuleName(name: string): string {
  return name.replaceAll("-", "_");
}

/** Splits NUL-separated `key=value` texts; those without `=` are skipped. */
export function readModinfo(section: Buffer): [key: string, value: string][] {
  const pairs: [string, string][] = [];
  for (const text of section.toString("latin1").split("\0")) {
    const equals = text.indexOf("=");
    if (equals > 0) pairs.push([text.slice(0, equals), text.slice(equals + 1)]);
  }
  return pairs;
}

function readLinkage(elf: Elf): Pick<ModuleFacts, "exports" | "needs"> {
  const table = elf.section(".symtab");
  const strings = elf.section(".strtab");
  const symbols = table && strings ? [...readSymbols(table, strings)] : [];
  const checksummed = symbols.filter(({ name }) => name.startsWith(CRC_PREFIX));
  const exports =
    checksummed.length > 0
      ? checksummed.map(({ name }) => name.slice(CRC_PREFIX.length))
      : (elf.section("__ksymtab_strings")?.toString("latin1") ?? "").split("\0").filter(Boolean);
  const needs = symbols.filter(({ name, sectionIndex }) => sectionIndex === SHN_UNDEF && name !== "");
  return {
    exports,
    needs: needs.map(({ name }) => name).filter((name) => !LOADER_SYMBOLS.has(name)),
  };
}

/**
 * Adds the module's path to what a decoder says.
 * @throws FormatError always
 */
export function failInModule(path: string, cause: unknown): never {
  if (!(cause instanceof FormatError)) throw cause;
  throw new FormatError({ record: path }, cause.message, { cause, hint: "is the kernel package's payload damaged?" });
}
