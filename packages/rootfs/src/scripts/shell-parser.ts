import { FormatError } from "@cvm-build/bytes";
import { literalText, type ShellToken, tokenizeShell } from "./shell-lexer.ts";
import type { Redirect, ShellNode, SimpleCommand, Word } from "./shell-syntax.ts";

const ASSIGNMENT = /^([A-Za-z_][A-Za-z0-9_]*)=/;
const REDIRECTIONS = new Set(["<", ">", ">>", "<<", "<<-", "<&", ">&", "<>", ">|"]);
/** Words that end a list where a command could begin (XCU 2.4). */
const CLOSING_WORDS = new Set(["then", "elif", "else", "fi", "do", "done", "esac", "}"]);
const MAX_DEPTH = 64;
/** How many commands `&&` and `||` may join: the walk goes as deep. */
const MAX_CHAIN = 500;

/**
 * Parses a POSIX shell script (XCU 2.10) far enough to see which commands it holds and under which conditions.
 * @throws FormatError naming the line where the grammar is left
 */
export function parseShell(script: string): ShellNode {
  return new Parser(tokenizeShell(script)).parseScript();
}

class Parser {
  readonly #tokens: ShellToken[];
  #at = 0;
  #depth = 0;

  constructor(tokens: ShellToken[]) {
    this.#tokens = tokens;
  }

  parseScript(): ShellNode {
    const list = this.#parseList();
    if (this.#peek().kind !== "end") this.#fail("the end of the script");
    return list;
  }

  #parseList(): ShellNode {
    if (++this.#depth > MAX_DEPTH) this.#fail(`nesting of at most ${MAX_DEPTH}`);
    const first = this.#peek();
    const nodes: ShellNode[] = [];
    for (this.#skipSeparators(); !this.#atListEnd(); this.#skipSeparators()) nodes.push(this.#parseAndOr());
    this.#depth--;
    return { kind: "list", nodes, ...this.#span(first) };
  }

  #atListEnd(): boolean {
    const token = this.#peek();
    if (token.kind === "end") return true;
    if (token.kind === "operator") return token.text === ")" || token.text === ";;" || token.text === ";&";
    return token.kind === "word" && CLOSING_WORDS.has(plainWord(token) ?? "");
  }

  #parseAndOr(): ShellNode {
    const first = this.#peek();
    let left = this.#parsePipeline();
    for (let length = 1; ; length++) {
      if (length > MAX_CHAIN) this.#fail(`at most ${MAX_CHAIN} commands in a row`);
      const token = this.#peek();
      if (token.kind !== "operator" || (token.text !== "&&" && token.text !== "||")) return left;
      this.#at++;
      this.#skipNewlines();
      left = { kind: "and-or", left, operator: token.text, right: this.#parsePipeline(), ...this.#span(first) };
    }
  }

  #parsePipeline(): ShellNode {
    const first = this.#peek();
    const isNegated = this.#takeWord("!");
    const nodes = [this.#parseCommand()];
    while (this.#takeOperator("|")) {
      this.#skipNewlines();
      nodes.push(this.#parseCommand());
    }
    return nodes.length === 1 && !isNegated ? nodes[0]! : { kind: "pipeline", isNegated, nodes, ...this.#span(first) };
  }

  #parseCommand(): ShellNode {
    const first = this.#peek();
    const compound = this.#parseCompound();
    if (!compound) return this.#parseSimple();
    const redirects = this.#parseRedirects();
    if (redirects.length === 0) return compound;
    return { kind: "group", body: compound, isSubshell: false, redirects, ...this.#span(first) };
  }

  #parseCompound(): ShellNode | undefined {
    const first = this.#peek();
    if (this.#takeOperator("(")) {
      const body = this.#parseList();
      this.#expectOperator(")");
      return { kind: "group", body, isSubshell: true, redirects: [], ...this.#span(first) };
    }
    if (first.kind !== "word") return undefined;
    const next = this.#tokens[this.#at + 1];
    const closing = this.#tokens[this.#at + 2];
    if (isOperator(next, "(") && isOperator(closing, ")")) {
      this.#at += 3;
      this.#skipNewlines();
      const body = this.#parseCommand();
      return { kind: "function", name: literalText(first.word), body, ...this.#span(first) };
    }
    const keyword = plainWord(first);
    if (keyword === "{") {
      this.#at++;
      const body = this.#parseList();
      this.#expectWord("}");
      return { kind: "group", body, isSubshell: false, redirects: [], ...this.#span(first) };
    }
    if (keyword === "if") return this.#parseIf(first);
    if (keyword === "case") return this.#parseCase(first);
    if (keyword === "for") return this.#parseFor(first);
    if (keyword === "while" || keyword === "until") {
      this.#at++;
      const condition = this.#parseList();
      return { kind: "while", condition, body: this.#parseDo(), ...this.#span(first) };
    }
    return undefined;
  }

  #parseIf(first: ShellToken): ShellNode {
    const branches: { condition: ShellNode; body: ShellNode }[] = [];
    do {
      this.#at++;
      const condition = this.#parseList();
      this.#expectWord("then");
      branches.push({ condition, body: this.#parseList() });
    } while (plainWord(this.#peek()) === "elif");
    const otherwise = this.#takeWord("else") ? this.#parseList() : undefined;
    this.#expectWord("fi");
    return { kind: "if", branches, ...(otherwise ? { otherwise } : {}), ...this.#span(first) };
  }

  #parseCase(first: ShellToken): ShellNode {
    this.#at++;
    const subject = this.#expectAnyWord();
    this.#skipNewlines();
    this.#expectWord("in");
    const clauses: { patterns: Word[]; body: ShellNode }[] = [];
    for (this.#skipNewlines(); !this.#takeWord("esac"); this.#skipNewlines()) {
      this.#takeOperator("(");
      const patterns = [this.#expectAnyWord()];
      while (this.#takeOperator("|")) patterns.push(this.#expectAnyWord());
      this.#expectOperator(")");
      clauses.push({ patterns, body: this.#parseList() });
      if (!this.#takeOperator(";;") && !this.#takeOperator(";&")) {
        this.#skipNewlines();
        this.#expectWord("esac");
        break;
      }
    }
    return { kind: "case", subject, clauses, ...this.#span(first) };
  }

  #parseFor(first: ShellToken): ShellNode {
    this.#at++;
    const variable = literalText(this.#expectAnyWord());
    this.#skipNewlines();
    const items: Word[] = [];
    if (this.#takeWord("in")) {
      for (let token = this.#peek(); token.kind === "word"; token = this.#peek()) {
        items.push(token.word);
        this.#at++;
      }
    } else {
      items.push([{ kind: "parameter", name: "@", operator: "", argument: [], quoted: true }]);
    }
    return { kind: "for", variable, items, body: this.#parseDo(), ...this.#span(first) };
  }

  #parseDo(): ShellNode {
    this.#skipSeparators();
    this.#expectWord("do");
    const body = this.#parseList();
    this.#expectWord("done");
    return body;
  }

  #parseSimple(): SimpleCommand {
    const first = this.#peek();
    const command: SimpleCommand = {
      kind: "simple",
      assignments: [],
      words: [],
      redirects: [],
      line: 0,
      start: 0,
      end: 0,
    };
    for (;;) {
      command.redirects.push(...this.#parseRedirects());
      const token = this.#peek();
      if (token.kind !== "word") break;
      const assigned = command.words.length === 0 ? splitAssignment(token.word) : undefined;
      if (assigned) command.assignments.push(assigned);
      else command.words.push(token.word);
      this.#at++;
    }
    if (this.#peek() === first) this.#fail("a command");
    return Object.assign(command, this.#span(first));
  }

  #parseRedirects(): Redirect[] {
    const redirects: Redirect[] = [];
    for (;;) {
      const token = this.#peek();
      if (token.kind !== "operator" || !REDIRECTIONS.has(token.text)) return redirects;
      this.#at++;
      redirects.push({ operator: token.text, target: this.#expectAnyWord() });
    }
  }

  #peek(): ShellToken {
    return this.#tokens[Math.min(this.#at, this.#tokens.length - 1)]!;
  }

  #skipSeparators(): void {
    for (let token = this.#peek(); isSeparator(token); token = this.#peek()) this.#at++;
  }

  #skipNewlines(): void {
    while (this.#peek().kind === "newline") this.#at++;
  }

  #takeWord(text: string): boolean {
    const isThere = plainWord(this.#peek()) === text;
    if (isThere) this.#at++;
    return isThere;
  }

  #takeOperator(text: string): boolean {
    const isThere = isOperator(this.#peek(), text);
    if (isThere) this.#at++;
    return isThere;
  }

  #expectWord(text: string): void {
    if (!this.#takeWord(text)) this.#fail(text);
  }

  #expectOperator(text: string): void {
    if (!this.#takeOperator(text)) this.#fail(text);
  }

  #expectAnyWord(): Word {
    const token = this.#peek();
    if (token.kind !== "word") return this.#fail("a word");
    this.#at++;
    return token.word;
  }

  #span(first: ShellToken): { line: number; start: number; end: number } {
    const last = this.#tokens[Math.max(this.#at - 1, 0)]!;
    return { line: first.line, start: first.start, end: Math.max(last.end, first.start) };
  }

  #fail(expected: string): never {
    throw new FormatError({ record: "shell script" }, `expected ${expected} on line ${this.#peek().line}`);
  }
}

function isOperator(token: ShellToken | undefined, text: string): boolean {
  return token?.kind === "operator" && token.text === text;
}

function isSeparator(token: ShellToken): boolean {
  return token.kind === "newline" || isOperator(token, ";") || isOperator(token, "&");
}

/** The text of a word without any quoting or expansion: what can be a reserved word. */
function plainWord(token: ShellToken): string | undefined {
  if (token.kind !== "word" || token.word.length !== 1) return undefined;
  const part = token.word[0]!;
  return part.kind === "text" && !part.quoted ? part.text : undefined;
}

function splitAssignment(word: Word): { name: string; value: Word } | undefined {
  const [first, ...rest] = word;
  if (first?.kind !== "text" || first.quoted) return undefined;
  const match = ASSIGNMENT.exec(first.text);
  if (!match) return undefined;
  return { name: match[1]!, value: [{ ...first, text: first.text.slice(match[0].length) }, ...rest] };
}
