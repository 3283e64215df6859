import { alignUp, FormatError } from "@cvm-build/bytes";
import { readDynamic, segmentBytes } from "./dynamic.ts";
import { DLOPEN_NOTE, ElfNote, SegmentType } from "./format.ts";
import { type Elf, readElf } from "./reader.ts";

/** A library that an object loads at run time, where it is there. */
export interface DlopenNeed {
  /** Names to try, in order. */
  sonames: string[];
  /** What it is loaded for, such as `tpm`; empty where the note does not say. */
  feature: string;
  priority: "required" | "recommended" | "suggested";
}

/** What an object needs to run. */
export interface ElfNeeds {
  /** Path of the dynamic linker, of programs. */
  interpreter?: string;
  /** Sonames, in the order of `DT_NEEDED`. */
  libraries: string[];
  /** Directories that are searched before the usual ones; may hold `$ORIGIN`. */
  searchPath: string[];
  dlopens: DlopenNeed[];
}

/**
 * Reads what an object needs to run.
 * @throws FormatError where it is no 64-bit little-endian ELF object or is damaged
 * @see UAPI Group, "ELF dlopen Metadata"
 */
export function readElfNeeds(bytes: Buffer): ElfNeeds {
  const elf = readElf(bytes);
  const dynamic = readDynamic(elf);
  const interpreter = readInterpreter(elf);
  return {
    ...(interpreter === undefined ? {} : { interpreter }),
    libraries: dynamic?.needed ?? [],
    searchPath: dynamic?.searchPath ?? [],
    dlopens: readDlopens(elf.section(DLOPEN_NOTE.section) ?? Buffer.alloc(0)),
  };
}

function readInterpreter(elf: Elf): string | undefined {
  const segment = elf.segments.find(({ type }) => type === SegmentType.interpreter);
  if (!segment) return undefined;
  const path = segmentBytes(elf, segment).toString("latin1").replace(/\0.*$/s, "");
  if (path.startsWith("/")) return path;
  throw new FormatError({ record: "ElfProgramHeader" }, "expected an absolute path of a dynamic linker");
}

function readDlopens(section: Buffer): DlopenNeed[] {
  const needs: DlopenNeed[] = [];
  for (let at = 0; at + ElfNote.sizeBytes <= section.length;) {
    const note = ElfNote.decode(section, at);
    const nameAt = at + ElfNote.sizeBytes;
    const descriptorAt = alignUp(nameAt + note.nameSizeBytes, 4);
    const end = descriptorAt + note.descriptorSizeBytes;
    if (end > section.length) {
      throw new FormatError({ record: "ElfNote", offsetBytes: at }, "expected a note inside its section");
    }
    const owner = section.toString("latin1", nameAt, nameAt + note.nameSizeBytes).replace(/\0+$/, "");
    if (note.type === DLOPEN_NOTE.type && owner === DLOPEN_NOTE.owner) {
      needs.push(...parseDlopens(section.toString("utf8", descriptorAt, end).replace(/\0+$/, "")));
    }
    at = alignUp(end, 4);
  }
  return needs;
}

function parseDlopens(text: string): DlopenNeed[] {
  const entries = parseJson(text);
  if (!Array.isArray(entries)) throw badNote("expected a JSON array");
  return entries.map((entry: unknown): DlopenNeed => {
    const { soname, feature = "", priority = "recommended" } = (entry ?? {}) as Record<string, unknown>;
    const isSonames = Array.isArray(soname) && soname.every((name) => typeof name === "string");
    if (!isSonames || typeof feature !== "string") throw badNote("expected sonames and a feature");
    if (priority !== "required" && priority !== "recommended" && priority !== "suggested") {
      throw badNote(`expected a priority, got ${JSON.stringify(priority)}`);
    }
    return { sonames: soname as string[], feature, priority };
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw badNote("expected JSON", cause);
  }
}

function badNote(problem: string, cause?: unknown): FormatError {
  return new FormatError({ record: "ElfNote", field: DLOPEN_NOTE.section }, problem, { cause });
}
