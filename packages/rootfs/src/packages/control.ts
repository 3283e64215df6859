import { FormatError } from "@cvm-build/bytes";

/** Fields of a control stanza by lower-case name, continuation lines joined by newlines. */
export type ControlStanza = ReadonlyMap<string, string>;

/**
 * Parses the one stanza of a package's `control` file.
 * @throws FormatError where a line is neither a field nor a continuation
 * @see deb-control(5)
 */
export function parseControl(text: string): ControlStanza {
  const fields = new Map<string, string>();
  let name = "";
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const field = /^([^\s:]+):[ \t]*(.*)$/.exec(line);
    if (field) {
      name = field[1]!.toLowerCase();
      fields.set(name, field[2]!.trimEnd());
    } else if (/^[ \t]/.test(line) && name !== "") fields.set(name, `${fields.get(name)}\n${line.trim()}`);
    else throw new FormatError({ record: "control" }, `expected a field on line ${index + 1}`);
  }
  return fields;
}

/** The package names of a relation field, versions and architectures left out. */
export function relationNames(field: string | undefined): string[] {
  return (field ?? "")
    .split(/[,|]/)
    .map((relation) => relation.trim().split(/[\s(:[]/)[0]!)
    .filter((name) => name !== "");
}
