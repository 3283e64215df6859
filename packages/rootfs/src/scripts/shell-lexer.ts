import { FormatError } from "@cvm-build/bytes";
import type { Word, WordPart } from "./shell-syntax.ts";

/** What the parser reads: an operator, a newline, a word, or the end. */
export type ShellToken = { line: number; start: number; end: number } & (
  | { kind: "operator"; text: string; descriptor?: string }
  | { kind: "newline" }
  | { kind: "word"; word: Word }
  | { kind: "end" }
);

/** Operators of XCU 2.10.2, longest first. */
const OPERATORS = [
  "<<-",
  "&&",
  "||",
  ";;",
  ";&",
  "<<",
  ">>",
  "<&",
  ">&",
  "<>",
  ">|",
  "&",
  "|",
  ";",
  "<",
  ">",
  "(",
  ")",
];
const HERE_DOCUMENTS = new Set(["<<", "<<-"]);
const MAX_NESTING = 32;

/**
 * Splits a POSIX shell script into tokens. Here-documents are skipped: what they hold is data.
 * @throws FormatError where a quote, substitution or here-document does not end
 */
export function tokenizeShell(script: string): ShellToken[] {
  return new Lexer(script, 0).run();
}

class Lexer {
  readonly #text: string;
  readonly #nesting: number;
  #at = 0;
  #line = 1;
  readonly #tokens: ShellToken[] = [];
  /** Delimiters of the here-documents that begin after the next newline. */
  #pending: { delimiter: string; stripTabs: boolean }[] = [];

  constructor(text: string, nesting: number) {
    this.#text = text;
    this.#nesting = nesting;
    if (nesting > MAX_NESTING) this.#fail(`nesting of at most ${MAX_NESTING}`);
  }

  run(): ShellToken[] {
    while (this.#skipBlanks() < this.#text.length) this.#readToken();
    const place = { line: this.#line, start: this.#at, end: this.#at };
    if (this.#pending.length > 0) this.#fail(`the here-document to end with ${this.#pending[0]?.delimiter}`);
    return [...this.#tokens, { kind: "end", ...place }];
  }

  #readToken(): void {
    const start = this.#at;
    const line = this.#line;
    if (this.#text[start] === "\n") {
      this.#at++;
      this.#line++;
      this.#tokens.push({ kind: "newline", line, start, end: this.#at });
      this.#skipHereDocuments();
      return;
    }
    const descriptor = /^[0-9](?=[<>])/.exec(this.#text.slice(start, start + 2))?.[0];
    const operator = OPERATORS.find((text) => this.#text.startsWith(text, start + (descriptor?.length ?? 0)));
    if (operator !== undefined) {
      this.#at += operator.length + (descriptor?.length ?? 0);
      const place = { line, start, end: this.#at };
      this.#tokens.push({ kind: "operator", text: operator, ...(descriptor ? { descriptor } : {}), ...place });
      return;
    }
    const word = this.#readWord();
    this.#tokens.push({ kind: "word", word, line, start, end: this.#at });
    const before = this.#tokens.at(-2);
    if (before?.kind === "operator" && HERE_DOCUMENTS.has(before.text)) {
      this.#pending.push({ delimiter: literalText(word), stripTabs: before.text === "<<-" });
    }
  }

  #skipBlanks(): number {
    for (;;) {
      const character = this.#text[this.#at];
      if (character === " " || character === "\t" || character === "\r") this.#at++;
      else if (character === "\\" && this.#text[this.#at + 1] === "\n") {
        this.#at += 2;
        this.#line++;
      } else if (character === "#") {
        const end = this.#text.indexOf("\n", this.#at);
        this.#at = end < 0 ? this.#text.length : end;
      } else return this.#at;
    }
  }

  #skipHereDocuments(): void {
    for (const { delimiter, stripTabs } of this.#pending.splice(0)) {
      for (;;) {
        if (this.#at >= this.#text.length) this.#fail(`the here-document to end with ${delimiter}`);
        const newline = this.#text.indexOf("\n", this.#at);
        const end = newline < 0 ? this.#text.length : newline;
        const content = this.#text.slice(this.#at, end);
        this.#at = Math.min(end + 1, this.#text.length);
        this.#line++;
        if ((stripTabs ? content.replace(/^\t+/, "") : content) === delimiter) break;
      }
    }
  }

  #readWord(): Word {
    const parts: Word = [];
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined || /[\s;&|<>()]/.test(character)) return parts;
      if (character === "'") parts.push(this.#readSingleQuoted());
      else if (character === '"') parts.push(...this.#readDoubleQuoted());
      else if (character === "$" || character === "`") parts.push(this.#readExpansion(false));
      else if (character === "\\") {
        const next = this.#text[this.#at + 1];
        this.#at += 2;
        if (next === "\n") this.#line++;
        else parts.push({ kind: "text", text: next ?? "", quoted: true });
      } else {
        const text = /^[^\s;&|<>()'"$`\\]+/.exec(this.#text.slice(this.#at))?.[0] ?? character;
        this.#at += text.length;
        parts.push({ kind: "text", text, quoted: false });
      }
    }
  }

  #readSingleQuoted(): WordPart {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) this.#fail("a closing '");
    return { kind: "text", text: this.#take(end + 1).slice(1, -1), quoted: true };
  }

  #readDoubleQuoted(): WordPart[] {
    this.#at++;
    const parts: WordPart[] = [{ kind: "text", text: "", quoted: true }];
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined) this.#fail('a closing "');
      if (character === '"') {
        this.#at++;
        return parts;
      }
      if (character === "$" || character === "`") {
        parts.push(this.#readExpansion(true));
        continue;
      }
      const escaped = character === "\\" ? this.#text[this.#at + 1] : undefined;
      if (escaped !== undefined && '$`"\\\n'.includes(escaped)) {
        this.#take(this.#at + 2);
        if (escaped !== "\n") parts.push({ kind: "text", text: escaped, quoted: true });
      } else {
        parts.push({ kind: "text", text: this.#take(this.#at + 1), quoted: true });
      }
    }
  }

  #readExpansion(quoted: boolean): WordPart {
    const start = this.#at;
    const rest = this.#text.slice(start, start + 128);
    const simple = /^\$(?:([A-Za-z_][A-Za-z0-9_]*)|([0-9@*#?$!-]))/.exec(rest);
    if (simple) {
      this.#at += simple[0].length;
      return { kind: "parameter", name: simple[1] ?? simple[2] ?? "", operator: "", argument: [], quoted };
    }
    if (rest.startsWith("${")) return this.#readBraced(quoted);
    if (rest.startsWith("$(")) return { kind: "substitution", text: this.#takeBalanced(start + 1, "(", ")"), quoted };
    if (rest.startsWith("`")) {
      let end = start + 1;
      while (end < this.#text.length && this.#text[end] !== "`") end += this.#text[end] === "\\" ? 2 : 1;
      if (end >= this.#text.length) this.#fail("a closing `");
      return { kind: "substitution", text: this.#take(end + 1), quoted };
    }
    this.#at++;
    return { kind: "text", text: "$", quoted };
  }

  #readBraced(quoted: boolean): WordPart {
    const text = this.#takeBalanced(this.#at + 1, "{", "}");
    const match = /^\{(#?[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]+)(:?[-=?+]|%%?|##?|\/\/?|:)?([\s\S]*)\}$/.exec(text);
    if (!match) return { kind: "substitution", text, quoted };
    const [, name = "", operator = "", rest = ""] = match;
    const inner = rest === "" ? [] : new Lexer(rest, this.#nesting + 1).#readAll(quoted);
    return { kind: "parameter", name, operator, argument: inner, quoted };
  }

  /** The whole text as one word, blanks included: the argument of `${name-argument}`. */
  #readAll(quoted: boolean): Word {
    const parts: Word = [];
    while (this.#at < this.#text.length) {
      parts.push(...this.#readWord());
      if (this.#at < this.#text.length) parts.push({ kind: "text", text: this.#take(this.#at + 1), quoted });
    }
    return parts;
  }

  /** Takes from the current place to where the bracket at `from` closes, quotes respected; returns the bracketed part. */
  #takeBalanced(from: number, open: string, close: string): string {
    let depth = 0;
    let quote = "";
    for (let at = from; at < this.#text.length; at++) {
      const character = this.#text[at]!;
      if (character === "\\") at++;
      else if (quote !== "") quote = character === quote ? "" : quote;
      else if (character === "'" || character === '"') quote = character;
      else if (character === open) depth++;
      else if (character === close && --depth === 0) {
        this.#take(at + 1);
        return this.#text.slice(from, at + 1);
      }
    }
    return this.#fail(`a closing ${close}`);
  }

  #take(end: number): string {
    const text = this.#text.slice(this.#at, end);
    for (const character of text) if (character === "\n") this.#line++;
    this.#at = end;
    return text;
  }

  #fail(expected: string): never {
    throw new FormatError({ record: "shell script" }, `expected ${expected} after line ${this.#line}`);
  }
}

/** The text of a word without its quotes; substitutions count as nothing. */
export function literalText(word: Word): string {
  return word.map((part) => (part.kind === "text" ? part.text : "")).join("");
}
