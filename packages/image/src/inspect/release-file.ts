/** A `NAME=value` line. */
export type Assignment = readonly [name: string, value: string];

/** What a shell takes a character for what it is after, inside double quotes. */
const ESCAPED_IN_QUOTES = /\\([$"`\\])/g;

/**
 * The assignments of an os-release file or its relatives, in order; the last of a name counts, in the first's place.
 * @see os-release(5)
 */
export function parseReleaseFile(text: string): Assignment[] {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const parts = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*?)\s*$/.exec(line);
    if (parts) values.set(parts[1]!, unquote(parts[2]!));
  }
  return [...values];
}

function unquote(value: string): string {
  const single = /^'([^']*)'$/.exec(value);
  if (single) return single[1]!;
  const double = /^"((?:[^"\\]|\\.)*)"$/.exec(value);
  if (double) return double[1]!.replace(ESCAPED_IN_QUOTES, "$1");
  return value.replace(/\\(.)/g, "$1");
}
