import { profileError, quoteText } from "./error.ts";
import type { SourcePosition } from "./position.ts";

/** One line of a value as written, comment and surrounding blanks removed. Line and column count from 1. */
export interface IniLine {
  text: string;
  line: number;
  column: number;
}

/** `Name=value` with the indented lines that follow it; the first line may be empty. */
export interface IniSetting {
  name: string;
  position: SourcePosition;
  lines: IniLine[];
}

/** A `[Section]` with what stands in it; a name may occur many times in a file. */
export interface IniSection {
  name: string;
  position: SourcePosition;
  settings: IniSetting[];
}

/**
 * Parses the text of a configuration file: mkosi's grammar, with `#` inside a quoted word taken as text.
 * @param file the file's name for positions and messages
 * @throws CvmError `profile-syntax` with the line and column
 * @see mkosi(1), "Configuration Settings"
 */
export function parseIni(text: string, file: string): IniSection[] {
  const sections: IniSection[] = [];
  let setting: IniSetting | undefined;
  const rawLines = text.split(/\r\n|\n|\r/);
  const margin = commonMargin(rawLines);
  for (const [index, rawLine] of rawLines.entries()) {
    const content = rawLine.slice(0, commentStart(rawLine)).trimEnd();
    const column = content.length - content.trimStart().length + 1;
    const trimmed = content.trim();
    if (trimmed === "") continue;
    const position = { file, line: index + 1, column };
    if (column - 1 > margin) {
      if (setting === undefined) throw indentedError(trimmed, position);
      setting.lines.push({ text: trimmed, line: index + 1, column });
      continue;
    }
    setting = undefined;
    if (trimmed.startsWith("[")) sections.push({ name: parseSectionName(trimmed, position), position, settings: [] });
    else {
      setting = parseSetting(content, position);
      const section = sections.at(-1);
      if (section === undefined) {
        throw profileError("profile-syntax", {
          cannot: `read setting ${quoteText(setting.name)}`,
          at: position,
          expected: "a [Section] above the first setting",
          got: "none",
        });
      }
      section.settings.push(setting);
    }
  }
  return sections;
}

/** Counts the blanks that all lines start with: they are not indentation. */
function commonMargin(lines: readonly string[]): number {
  let common: string | undefined;
  for (const line of lines) {
    if (line.trim() === "") continue;
    const blanks = line.slice(0, line.length - line.trimStart().length);
    if (common === undefined) common = blanks;
    let length = 0;
    while (length < common.length && common[length] === blanks[length]) length++;
    common = common.slice(0, length);
  }
  return common?.length ?? 0;
}

/** Finds where the comment starts, or the end of the line. A quote opens at the start of a word and must close on its line. */
function commentStart(line: string): number {
  for (let index = 0; index < line.length; index++) {
    const char = line[index]!;
    if (char === "#") return index;
    if ((char === '"' || char === "'") && (index === 0 || /[\s=,:]/.test(line[index - 1]!))) {
      const end = line.indexOf(char, index + 1);
      if (end !== -1) index = end;
    }
  }
  return line.length;
}

function parseSectionName(trimmed: string, position: SourcePosition): string {
  const name = trimmed.endsWith("]") ? trimmed.slice(1, -1).trim() : "";
  if (name !== "") return name;
  throw profileError("profile-syntax", {
    cannot: "read section header",
    at: position,
    expected: "[Section]",
    got: quoteText(trimmed),
  });
}

function parseSetting(content: string, position: SourcePosition): IniSetting {
  const equals = content.indexOf("=");
  const name = content.slice(0, Math.max(equals, 0)).trim();
  if (name === "") {
    throw profileError("profile-syntax", {
      cannot: "read setting",
      at: position,
      expected: "Name=value",
      got: quoteText(content.trim()),
      hint: equals === -1 ? "to continue the value above, indent the line" : undefined,
    });
  }
  const value = content.slice(equals + 1);
  const column = equals + 1 + (value.length - value.trimStart().length) + 1;
  return { name, position, lines: [{ text: value.trim(), line: position.line!, column }] };
}

function indentedError(trimmed: string, position: SourcePosition): Error {
  return profileError("profile-syntax", {
    cannot: "read line",
    at: position,
    expected: "a setting at the start of the line, or a value to continue",
    got: `an indented ${quoteText(trimmed)}`,
    hint: "an indented line continues the setting above it; sections and settings are not indented",
  });
}
