import { profileError, quoteText } from "./error.ts";
import type { IniLine } from "./ini.ts";
import type { UnsupportedSetting } from "./unsupported.ts";
import type { SourcePosition } from "./position.ts";
import type { ProfileDisk } from "./profile-disk.ts";
import type { SettingRow } from "./setting.ts";
import { findSpecifierSetting } from "./setting-table.ts";
import type { SettingStore } from "./setting-store.ts";
import { expandSpecifiers, SpecifierFault } from "./specifier.ts";
import type { ValueContext } from "./value-kind.ts";
import { ValueFault } from "./value-fault.ts";

/** Where an assignment stands and what it may look at. */
export interface AssignmentPlace {
  /** The file's name in positions. */
  file: string;
  /** Absolute directory that relative paths start from. */
  base: string;
  /** Absolute directory of the file itself. */
  fileDirectory: string;
  /** Absolute directory of the whole configuration. */
  directory: string;
  store: SettingStore;
  disk: ProfileDisk;
  environment: Readonly<Record<string, string>>;
  /** Whether `%` is itself: on the command line and in files that hold one value, as in mkosi. */
  isVerbatim: boolean;
}

/** What an assignment says. */
export interface Assignment {
  /** `Name=` with nothing after it. */
  isReset: boolean;
  items: { value: unknown; position: SourcePosition }[];
  /** Values that mkosi takes and cvm-build does not. */
  unsupported: UnsupportedSetting[];
}

/**
 * Reads the value of an assignment.
 * @param lines as the parser gives them; of the command line, without a place
 * @throws CvmError `profile-bad-value` or `profile-unknown-specifier`
 */
export function readAssignment(row: SettingRow, lines: readonly IniLine[], place: AssignmentPlace): Assignment {
  const assignment: Assignment = { isReset: false, items: [], unsupported: [] };
  const text = lines.map((line) => line.text).join("\n");
  const positionOf = positionsIn(lines, place);
  const words = attempt(() => row.kind.split(text), { row, at: positionOf(0), assignment }) ?? [];
  assignment.isReset = words.length === 0;
  for (const word of words) readItem(row, word.text, { place, at: positionOf(word.offset), assignment });
  return assignment;
}

/** Reads one item of a value, and adds it to the assignment. */
export function readItem(
  row: SettingRow,
  text: string,
  { place, at, assignment }: { place: AssignmentPlace; at: SourcePosition; assignment: Assignment },
): void {
  const expanded = place.isVerbatim ? text : expandText(text, { at, place });
  const context = valueContext(place);
  attempt(() => assignment.items.push({ value: row.kind.item.parse(expanded, context), position: at }), {
    row,
    at,
    assignment,
  });
}

/** Expands the specifiers of a text that stands at `at`. @throws CvmError `profile-unknown-specifier` */
export function expandText(text: string, { at, place }: { at: SourcePosition; place: AssignmentPlace }): string {
  if (!text.includes("%")) return text;
  const { store, fileDirectory, base, directory } = place;
  const setting = (specifier: string): string | null | undefined => {
    const row = findSpecifierSetting(specifier);
    return row === undefined ? undefined : (store.visible(row)?.[0] ?? null);
  };
  const version = setting("v");
  const outputName = `${setting("i") ?? "image"}${version === null ? "" : `_${version}`}`;
  try {
    return expandSpecifiers(text, { setting, fileDirectory, base, directory, outputName });
  } catch (error) {
    if (!(error instanceof SpecifierFault)) throw error;
    throw profileError("profile-unknown-specifier", {
      cannot: `expand ${quoteText(text)}`,
      at,
      expected: "one of %d %r %a %t %i %v %o %O %C %P %D %F %I %%",
      got: error.got,
      hint: error.hint,
    });
  }
}

/** Runs a step of reading a value; its fault becomes an error with a place, or an entry among the unsupported. */
function attempt<T>(
  step: () => T,
  { row, at, assignment }: { row: SettingRow; at: SourcePosition; assignment: Assignment },
): T | undefined {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof ValueFault)) throw error;
    const setting = `${row.section}.${row.name}`;
    if (error.useInstead !== undefined) {
      assignment.unsupported.push({ position: at, name: `${setting}=${error.got}`, useInstead: error.useInstead });
      return undefined;
    }
    throw profileError("profile-bad-value", {
      cannot: `read setting ${quoteText(setting)}`,
      at,
      expected: error.expected,
      got: error.got,
      hint: error.hint,
      setting,
    });
  }
}

function valueContext({ base, store, disk, environment }: AssignmentPlace): ValueContext {
  return {
    base,
    exists: (path) => disk.kind(path) !== "absent",
    variable(name) {
      const listed = store.valueOf("Config.PassEnvironment") as string[];
      if (!listed.includes(name)) {
        throw new ValueFault("a variable that PassEnvironment= lists", `$${name}`, {
          hint: `add PassEnvironment=${name} to [Config] if the image may depend on the caller's environment`,
        });
      }
      const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
      if (value === undefined) throw new ValueFault(`${name} in the environment`, "no such variable");
      return value;
    },
  };
}

/** Makes a finder of places of characters in a value's lines, joined by newlines; it is asked in ascending order. */
function positionsIn(lines: readonly IniLine[], { file }: AssignmentPlace): (offset: number) => SourcePosition {
  let index = 0;
  let start = 0;
  return (offset) => {
    while (index < lines.length - 1 && offset > start + lines[index]!.text.length) {
      start += lines[index]!.text.length + 1;
      index++;
    }
    const { line, column } = lines[index]!;
    return line === 0 ? { file } : { file, line, column: column + offset - start };
  };
}
