import { CvmError } from "@cvm-build/bytes";

/** Words that need no quotes anywhere in a unit file. */
const PLAIN_WORD = /^[A-Za-z0-9_./:=@,+-]+$/;

/** What systemd's C-style unescaping has a letter for. */
const ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A setting of a unit file. */
export type UnitSetting = readonly [name: string, value: string];

/** A section of a unit file. */
export interface UnitSection {
  name: "Unit" | "Service" | "Mount" | "Install" | "Journal";
  settings: readonly UnitSetting[];
}

/** Formats a unit file, with a comment in front. Values are escaped already. */
export function formatUnit(comment: string, sections: readonly UnitSection[]): string {
  const text = sections
    .filter(({ settings }) => settings.length > 0)
    .map(({ name, settings }) => `\n[${name}]\n${settings.map(([key, value]) => `${key}=${value}\n`).join("")}`);
  return `# ${comment}\n${text.join("")}`;
}

/**
 * Quotes one argument of `ExecStart=` and its like, so that systemd passes on exactly `argument`.
 * @throws CvmError `service` where it holds a NUL or half a surrogate pair
 * @see systemd.service(5), "COMMAND LINES"; systemd.syntax(7), "QUOTING"
 */
export function quoteArgument(argument: string): string {
  return quoteWord(argument).replaceAll("$", "$$$$");
}

/**
 * Quotes one word of a setting that takes a list and expands specifiers but no variables, such as `Environment=`.
 * @throws CvmError `service` where it holds a NUL or half a surrogate pair
 */
export function quoteWord(word: string): string {
  if (word.includes("\0") || !word.isWellFormed()) throw unrepresentable(word);
  if (PLAIN_WORD.test(word)) return word;
  const escaped = word
    .replace(/["\\]/g, "\\$&")
    .replaceAll("%", "%%")
    .replace(/[^ -~\u0080-\u{10ffff}]|[\u0080-\u009f\u2028\u2029]/gu, escapeCharacter);
  return `"${escaped}"`;
}

/**
 * Escapes free text, such as `Description=`.
 * @throws CvmError `service` where it holds control characters or ends with a backslash, which would join the next line
 */
export function escapeText(text: string): string {
  const isPlain = text.isWellFormed() && !/\p{Cc}|[\u2028\u2029]/u.test(text) && !text.endsWith("\\");
  if (!isPlain) throw unrepresentable(text);
  return text.replaceAll("%", "%%");
}

function escapeCharacter(character: string): string {
  const letter = ESCAPES[character];
  if (letter !== undefined) return letter;
  const bytes = [...Buffer.from(character)];
  return bytes.map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

function unrepresentable(text: string): CvmError {
  return new CvmError(
    "service",
    `cannot write ${JSON.stringify(text)} to a unit file: expected text without control characters or a final backslash`,
  );
}
