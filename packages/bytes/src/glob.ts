import { CvmError } from "./errors.ts";

/** Says whether a text is a glob: whether it has `*`, `?` or `[`. */
export function isGlob(text: string): boolean {
  return /[*?[]/.test(text);
}

/**
 * Compiles a shell glob: `*`, `?`, `[a-z]`, `[!a-z]`, and `\` before what is meant as it is. It must match a whole text,
 * in which `/` and a leading `.` are characters like any other. Matching takes time proportional to the product of the
 * lengths at worst: globs and names are foreign text, and a regular expression made of six stars can take a minute.
 * @throws CvmError `glob` where a range runs backwards
 * @see POSIX.1-2024, Shell Command Language, 2.14 "Pattern Matching Notation"
 */
export function compileGlob(glob: string): (text: string) => boolean {
  const tokens = parseGlob(glob);
  return (text) => matches(tokens, [...text]);
}

type Token = "any" | ((character: string) => boolean);

function matches(tokens: readonly Token[], text: readonly string[]): boolean {
  let token = 0;
  let star = -1;
  let starText = 0;
  for (let index = 0; index < text.length;) {
    const current = tokens[token];
    if (current === "any") {
      star = token++;
      starText = index;
    } else if (current?.(text[index] ?? "")) {
      token++;
      index++;
    } else if (star === -1) return false;
    else {
      token = star + 1;
      index = ++starText;
    }
  }
  while (tokens[token] === "any") token++;
  return token === tokens.length;
}

function parseGlob(glob: string): Token[] {
  const characters = [...glob];
  const tokens: Token[] = [];
  for (let index = 0; index < characters.length; index++) {
    const character = characters[index] ?? "";
    const end = character === "[" ? characters.indexOf("]", index + (characters[index + 1] === "!" ? 3 : 2)) : -1;
    const next = characters[index + 1];
    if (character === "*") tokens.push("any");
    else if (character === "?") tokens.push(() => true);
    else if (character === "\\" && next !== undefined) {
      tokens.push((other) => other === next);
      index++;
    } else if (end !== -1) {
      tokens.push(parseSet(characters.slice(index + 1, end), glob));
      index = end;
    } else tokens.push((other) => other === character);
  }
  return tokens;
}

function parseSet(body: readonly string[], glob: string): Token {
  const isNegated = body[0] === "!";
  const members = isNegated ? body.slice(1) : body;
  const ranges: [low: string, high: string][] = [];
  for (let index = 0; index < members.length; index++) {
    const isRange = members[index + 1] === "-" && index + 2 < members.length;
    const low = members[index] ?? "";
    const high = isRange ? (members[index + 2] ?? "") : low;
    if (high < low) throw new CvmError("glob", `cannot read glob "${glob}": expected a range, got "${low}-${high}"`);
    ranges.push([low, high]);
    if (isRange) index += 2;
  }
  return (character) => ranges.some(([low, high]) => low <= character && character <= high) !== isNegated;
}
