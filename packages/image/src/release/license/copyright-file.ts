/** A machine-readable copyright file, as far as it is about licences. */
export interface CopyrightFile {
  /** What the licence fields of its `Files` stanzas say, each once, in order. */
  licenses: DeclaredText[];
  /** Licence texts by what their field says, in lower case. */
  texts: ReadonlyMap<string, string>;
}

/** A licence field: its first line, and the text below it. */
export interface DeclaredText {
  /** Short names and how they combine: `GPL-2+ or Artistic-2.0`. */
  synopsis: string;
  /** Empty where the text stands elsewhere in the file. */
  text: string;
}

const FORMAT = /^https?:\/\/(www\.)?debian\.org\/doc\/packaging-manuals\/copyright-format\/1\.0\/?$/;

/**
 * Parses a copyright file.
 * @returns undefined where it is not in the machine-readable format 1.0, or says of no file which licence it has
 * @see Machine-readable debian/copyright file 1.0
 */
export function parseCopyrightFile(bytes: Uint8Array): CopyrightFile | undefined {
  const [header, ...stanzas] = stanzasOf(Buffer.from(bytes).toString("utf8"));
  if (!FORMAT.test(header?.get("format")?.trim() ?? "")) return undefined;
  const licenses = new Map<string, DeclaredText>();
  const texts = new Map<string, string>();
  for (const stanza of stanzas) {
    const field = stanza.get("license");
    if (field === undefined) {
      if (stanza.has("files")) return undefined;
      continue;
    }
    const license = licenseField(field);
    const key = license.synopsis.toLowerCase();
    if (license.text !== "" && !texts.has(key)) texts.set(key, license.text);
    if (stanza.has("files")) licenses.set(`${key}\n${license.text}`, license);
  }
  return licenses.size === 0 ? undefined : { licenses: [...licenses.values()], texts };
}

/** Fields of each stanza by lower-case name, continuation lines as they are. Lines that are neither belong to nothing. */
function stanzasOf(text: string): Map<string, string>[] {
  const stanzas: Map<string, string>[] = [];
  let stanza: Map<string, string> | undefined;
  let name: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === "") {
      stanza = undefined;
      continue;
    }
    if (line.startsWith("#")) continue;
    if (stanza === undefined) {
      name = undefined;
      stanzas.push((stanza = new Map()));
    }
    const field = /^([^\s:]+):(.*)$/s.exec(line);
    if (field) {
      name = field[1]!.toLowerCase();
      stanza.set(name, field[2]!);
    } else if (name !== undefined) stanza.set(name, `${stanza.get(name)}\n${line}`);
  }
  return stanzas;
}

/** A line of formatted text begins with a blank; one that is only a dot is empty. */
function licenseField(field: string): DeclaredText {
  const [synopsis = "", ...lines] = field.split("\n");
  const text = lines.map((line) => (line.trim() === "." ? "" : line.replace(/^[ \t]/, "").trimEnd())).join("\n");
  return { synopsis: synopsis.trim().replaceAll(/\s+/g, " "), text: text.trim() === "" ? "" : text };
}
