/**
 * Tells whether a text matches a shell glob (`*`, `?`, `[a-z]`, `[!a-z]`), in time proportional to the product of
 * their lengths at worst: profiles are foreign text, and a regular expression made of one could take for ever.
 * @see POSIX.1-2024, Shell Command Language, 2.14 "Pattern Matching Notation"
 */
export function matchesGlob(text: string, glob: string): boolean {
  const tokens = parseGlob(glob);
  let token = 0;
  let star = -1;
  let starText = 0;
  for (let index = 0; index < text.length;) {
    const current = tokens[token];
    if (current === "any") {
      star = token++;
      starText = index;
    } else if (current?.(text[index]!)) {
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

type Token = "any" | ((char: string) => boolean);

function parseGlob(glob: string): Token[] {
  const tokens: Token[] = [];
  for (let index = 0; index < glob.length; index++) {
    const char = glob[index]!;
    const end = char === "[" ? glob.indexOf("]", index + (glob[index + 1] === "!" ? 3 : 2)) : -1;
    if (char === "*") tokens.push("any");
    else if (char === "?") tokens.push(() => true);
    else if (end !== -1) {
      tokens.push(parseSet(glob.slice(index + 1, end)));
      index = end;
    } else tokens.push((other) => other === char);
  }
  return tokens;
}

function parseSet(body: string): Token {
  const negated = body.startsWith("!");
  const members = negated ? body.slice(1) : body;
  const ranges: [low: string, high: string][] = [];
  for (let index = 0; index < members.length; index++) {
    const isRange = members[index + 1] === "-" && index + 2 < members.length;
    ranges.push([members[index]!, members[isRange ? index + 2 : index]!]);
    if (isRange) index += 2;
  }
  return (char) => ranges.some(([low, high]) => low <= char && char <= high) !== negated;
}
