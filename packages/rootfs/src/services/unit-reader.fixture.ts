/**
 * Reads unit files as systemd does, written from its manual pages and independent of the writer: for tests.
 * @see systemd.syntax(7); systemd.service(5), "COMMAND LINES"; systemd.unit(5), "SPECIFIERS"
 */
export function readUnit(text: string): [section: string, name: string, value: string][] {
  const settings: [string, string, string][] = [];
  let section = "";
  const joined: string[] = [];
  for (const line of text.split("\n")) {
    const previous = joined.at(-1);
    if (previous?.endsWith("\\")) joined[joined.length - 1] = `${previous.slice(0, -1)} ${line}`;
    else joined.push(line);
  }
  for (const line of joined.map((raw) => raw.trim())) {
    if (line === "" || line.startsWith("#") || line.startsWith(";")) continue;
    const header = /^\[(.*)\]$/.exec(line)?.[1];
    if (header !== undefined) section = header;
    else settings.push([section, line.slice(0, line.indexOf("=")).trim(), line.slice(line.indexOf("=") + 1).trim()]);
  }
  return settings;
}

/** The argv of `ExecStart=`: words, then specifiers, then variables, none of which may be left. */
export function readCommandLine(value: string): string[] {
  return readWords(value).map((word) => {
    if (/(?<!\$)(?:\$\$)*\$(?!\$)/.test(word)) throw new Error(`a variable in ${JSON.stringify(word)}`);
    return word.replaceAll("$$", "$");
  });
}

/** Words with quotes, C-style escapes and doubled percent signs undone. */
export function readWords(value: string): string[] {
  const words: string[] = [];
  let at = 0;
  while (at < value.length) {
    while (/[ \t\n\r]/.test(value[at] ?? "")) at += 1;
    if (at >= value.length) break;
    const bytes: Buffer[] = [];
    let quote = "";
    for (; at < value.length; at++) {
      const character = String.fromCodePoint(value.codePointAt(at)!);
      if (quote === "" && /[ \t\n\r]/.test(character)) break;
      if (character === "\\") {
        const [raw, length] = readEscape(value.slice(at));
        bytes.push(raw);
        at += length - 1;
      } else if (quote === "" && (character === '"' || character === "'")) quote = character;
      else if (character === quote) quote = "";
      else {
        bytes.push(Buffer.from(character));
        at += character.length - 1;
      }
    }
    if (quote !== "") throw new Error(`an open quote in ${value}`);
    words.push(expandSpecifiers(Buffer.concat(bytes).toString()));
  }
  return words;
}

function readEscape(text: string): [bytes: Buffer, length: number] {
  const hex = /^\\x([0-9a-f]{2})/.exec(text)?.[1];
  if (hex !== undefined) return [Buffer.from(hex, "hex"), 4];
  const letters: Record<string, string> = { n: "\n", r: "\r", t: "\t", s: " ", "\\": "\\", '"': '"', "'": "'" };
  const letter = letters[text[1] ?? ""];
  if (letter === undefined) throw new Error(`an unknown escape at ${text}`);
  return [Buffer.from(letter), 2];
}

function expandSpecifiers(word: string): string {
  if (/(?<!%)(?:%%)*%(?!%)/.test(word)) throw new Error(`a specifier in ${JSON.stringify(word)}`);
  return word.replaceAll("%%", "%");
}
