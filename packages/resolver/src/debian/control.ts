import { FormatError } from "@cvm-build/bytes";

/** The fields of one stanza, by lower-case name. Continuation lines are joined by line feeds. */
export type Stanza = ReadonlyMap<string, string>;

/** A stanza that is longer is not control data of any real package. */
export const MAX_STANZA_CHARS = 1 << 20;

/**
 * Parses one stanza of a control file.
 * @param text the stanza's lines without the empty line that ends it
 * @param offsetBytes where the stanza starts, for errors
 * @throws FormatError for a line that is neither a field nor a continuation, and for a field that is there twice
 * @see Debian Policy 5.1; deb822(5)
 */
export function parseStanza(text: string, { offsetBytes = 0 }: { offsetBytes?: number } = {}): Stanza {
  if (text.length > MAX_STANZA_CHARS) {
    throw new FormatError({ record: "stanza", offsetBytes }, `expected at most ${MAX_STANZA_CHARS} bytes`);
  }
  const fields = new Map<string, string>();
  let last: string | undefined;
  let offset = offsetBytes;
  for (const line of text.split("\n")) {
    const start = offset;
    offset += line.length + 1;
    if (line === "" || line.startsWith("#")) continue;
    if (line.startsWith(" ") || line.startsWith("\t")) {
      if (last === undefined) throw badLine(line, start);
      fields.set(last, `${fields.get(last)}\n${line.slice(1)}`);
      continue;
    }
    const colon = line.indexOf(":");
    if (colon <= 0 || !/^[!-9;-~]+$/.test(line.slice(0, colon))) throw badLine(line, start);
    last = line.slice(0, colon).toLowerCase();
    if (fields.has(last)) {
      throw new FormatError({ record: "stanza", field: last, offsetBytes: start }, "expected the field once");
    }
    fields.set(last, line.slice(colon + 1).trim());
  }
  return fields;
}

function badLine(line: string, offsetBytes: number): FormatError {
  return new FormatError(
    { record: "stanza", offsetBytes },
    `expected "Name: value" or a continuation, got ${JSON.stringify(line.slice(0, 60))}`,
  );
}
