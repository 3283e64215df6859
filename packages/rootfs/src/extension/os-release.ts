/** Assignments of an os-release file or its relatives. */
export type OsRelease = ReadonlyMap<string, string>;

const MAX_LINES = 4096;
const ASSIGNMENT = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s;

/**
 * Reads the assignments of an os-release file as systemd does: the last of a name counts, and lines that are none are passed
 * over. Nothing is expanded.
 * @see os-release(5)
 */
export function parseOsRelease(text: string): OsRelease {
  const values = new Map<string, string>();
  for (const line of text.split("\n").slice(0, MAX_LINES)) {
    const [, name, value] = ASSIGNMENT.exec(line.trim()) ?? [];
    if (name !== undefined && value !== undefined) values.set(name, unquote(value));
  }
  return values;
}

/** An assignment as os-release(5) wants it: what is no plain word is quoted as in a shell. */
export function formatAssignment(name: string, value: string): string {
  const isPlain = /^[A-Za-z0-9._-]*$/.test(value);
  return `${name}=${isPlain ? value : `"${value.replace(/["$`\\]/g, "\\$&")}"`}\n`;
}

function unquote(value: string): string {
  const [, single] = /^'([^']*)'$/s.exec(value) ?? [];
  if (single !== undefined) return single;
  const [, double] = /^"((?:[^"\\]|\\.)*)"$/s.exec(value) ?? [];
  return double === undefined ? value.replace(/\\(.)/gs, "$1") : double.replace(/\\(["$`\\])/g, "$1");
}
