import { FormatError } from "@cvm-build/bytes";
import { parseShell } from "./shell-parser.ts";
import { copyState, expandString, expandWords, mergeStates, type ShellState, type ShellValue } from "./shell-state.ts";
import type { Redirect, ShellNode, SimpleCommand, Word } from "./shell-syntax.ts";
import { both, either, evaluateTest, matchesPattern } from "./shell-test.ts";

/** A command that a script would run, or might run, on a first installation. */
export interface LiveCommand {
  /** Counts from 1. */
  line: number;
  /** As written, continuation lines joined. */
  text: string;
  /** The command and its arguments; undefined where only running the script would tell. */
  argv: ShellValue[];
  /** Files that its redirections write, `/dev/null` and descriptors left out. */
  writes: ShellValue[];
}

/** What a command is known to return, where it is known. */
export type KnownStatus = (argv: ShellValue[]) => boolean | undefined;

/** What is known before the script starts. */
export interface WalkOptions {
  /** `$1`, `$2` … */
  arguments: string[];
  /** Variables that are set from the start. */
  variables: Record<string, string>;
  knownStatus: KnownStatus;
}

type Status = boolean | undefined;
/** What comes next: the following command, the end of the function or loop, or the end of the script. */
type Flow = "next" | "leave" | "exit";
type Outcome = { status: Status; flow: Flow };

const MAX_STEPS = 20_000;
const MAX_CALLS = 24;
/** Libraries of functions, whose variables no script asks for. */
const SETS_NOTHING = /^\/usr\/share\/(debconf\/confmodule|dpkg\/sh\/dpkg-error\.sh)$/;
const DECLARATIONS = new Set(["export", "readonly", "local", "declare", "typeset"]);

/**
 * Lists the commands that a script reaches with the given arguments. Conditions are decided where their value is known
 * and taken both ways where it is not. Nothing is run.
 * @throws FormatError where the script is no shell script that can be parsed, or it takes more than 20,000 steps
 */
export function walkShell(script: string, options: WalkOptions): LiveCommand[] {
  const walker = new Walker(script, options);
  walker.walk(parseShell(script));
  return walker.commands;
}

class Walker {
  readonly commands: LiveCommand[] = [];
  readonly #script: string;
  readonly #knownStatus: KnownStatus;
  readonly #functions = new Map<string, ShellNode>();
  readonly #seen = new Set<string>();
  #state: ShellState;
  #steps = 0;
  #calls = 0;

  constructor(script: string, options: WalkOptions) {
    this.#script = script;
    this.#knownStatus = options.knownStatus;
    const variables = new Map(Object.entries(options.variables));
    this.#state = { variables, positional: [...options.arguments], isOpen: false };
  }

  walk(node: ShellNode): Outcome {
    if (++this.#steps > MAX_STEPS) {
      throw new FormatError({ record: "shell script" }, `expected at most ${MAX_STEPS} steps`);
    }
    switch (node.kind) {
      case "simple":
        return this.#walkSimple(node);
      case "list":
        return this.#walkList(node.nodes);
      case "pipeline":
        return this.#walkPipeline(node);
      case "and-or":
        return this.#walkAndOr(node);
      case "if":
        return this.#walkIf(node, 0);
      case "case":
        return this.#walkCase(node, 0);
      case "for":
        return this.#walkFor(node);
      case "while":
        return this.#walkWhile(node);
      case "function":
        this.#functions.set(node.name, node.body);
        return { status: true, flow: "next" };
      case "group":
        return this.#walkGroup(node);
    }
  }

  #walkList(nodes: ShellNode[]): Outcome {
    let status: Status = true;
    for (const node of nodes) {
      const outcome = this.walk(node);
      if (outcome.flow !== "next") return outcome;
      status = outcome.status;
    }
    return { status, flow: "next" };
  }

  #walkPipeline(node: ShellNode & { kind: "pipeline" }): Outcome {
    if (node.nodes.length === 1) {
      const outcome = this.walk(node.nodes[0]!);
      return { ...outcome, status: outcome.status === undefined ? undefined : !outcome.status };
    }
    for (const part of node.nodes) this.#inCopy(() => this.walk(part));
    return { status: undefined, flow: "next" };
  }

  #walkAndOr(node: ShellNode & { kind: "and-or" }): Outcome {
    const left = this.walk(node.left);
    if (left.flow !== "next") return left;
    const isDecided = left.status === (node.operator === "||");
    if (isDecided) return left;
    if (left.status !== undefined) return this.walk(node.right);
    const right = this.#maybe(() => this.walk(node.right));
    const status = (node.operator === "&&" ? both : either)(left.status, right.status);
    // `missing || exit`: the script goes on where the left side succeeded.
    return { status, flow: "next" };
  }

  #walkIf(node: ShellNode & { kind: "if" }, index: number): Outcome {
    const branch = node.branches[index];
    if (!branch) return node.otherwise ? this.walk(node.otherwise) : { status: true, flow: "next" };
    const condition = this.walk(branch.condition);
    if (condition.flow !== "next") return condition;
    if (condition.status === true) return this.walk(branch.body);
    if (condition.status === false) return this.#walkIf(node, index + 1);
    return this.#fork([() => this.walk(branch.body), () => this.#walkIf(node, index + 1)]);
  }

  #walkCase(node: ShellNode & { kind: "case" }, from: number): Outcome {
    const subject = expandString(node.subject, this.#state);
    for (let index = from; index < node.clauses.length; index++) {
      const clause = node.clauses[index]!;
      const matches = clause.patterns
        .map((pattern) => matchesPattern(expandString(pattern, this.#state), subject))
        .reduce(either, false);
      if (matches === true) return this.walk(clause.body);
      if (matches === undefined) {
        return this.#fork([() => this.walk(clause.body), () => this.#walkCase(node, index + 1)]);
      }
    }
    return { status: true, flow: "next" };
  }

  #walkFor(node: ShellNode & { kind: "for" }): Outcome {
    for (const item of expandWords(node.items, this.#state)) {
      this.#state.variables.set(node.variable, item);
      const outcome = this.walk(node.body);
      if (outcome.flow === "exit") return outcome;
    }
    return { status: undefined, flow: "next" };
  }

  #walkWhile(node: ShellNode & { kind: "while" }): Outcome {
    const condition = this.walk(node.condition);
    if (condition.flow !== "next") return condition;
    this.#maybe(() => this.walk(node.body));
    return { status: undefined, flow: "next" };
  }

  #walkGroup(node: ShellNode & { kind: "group" }): Outcome {
    const writes = this.#written(node.redirects);
    if (writes.length > 0) this.#emit(node, [":"], writes);
    if (!node.isSubshell) return this.walk(node.body);
    const outcome = this.#inCopy(() => this.walk(node.body));
    return { status: outcome.status, flow: "next" };
  }

  #walkSimple(node: SimpleCommand): Outcome {
    const argv = withoutCommand(expandWords(node.words, this.#state));
    const writes = this.#written(node.redirects);
    if (argv.length === 0) {
      for (const { name, value } of node.assignments) {
        this.#state.variables.set(name, expandString(value, this.#state));
      }
      if (writes.length > 0) this.#emit(node, [":"], writes);
      const isPlain = node.assignments.every(({ value }) => value.every((part) => part.kind !== "substitution"));
      return { status: isPlain ? true : undefined, flow: "next" };
    }
    const [command] = argv;
    const body = command === undefined ? undefined : this.#functions.get(command);
    if (body) {
      if (writes.length > 0) this.#emit(node, [":"], writes);
      return this.#call(body, argv.slice(1));
    }
    return this.#walkBuiltin(node, argv) ?? this.#walkExternal(node, argv, writes);
  }

  #walkBuiltin(node: SimpleCommand, argv: ShellValue[]): Outcome | undefined {
    const [command, ...operands] = argv;
    if (command === undefined) return undefined;
    if (command === "exit") return { status: undefined, flow: "exit" };
    if (command === "return") return { status: returnStatus(operands[0]), flow: "leave" };
    if (command === "break" || command === "continue") return { status: true, flow: "leave" };
    if (command === "test") return { status: evaluateTest(operands), flow: "next" };
    if (command === "[" || command === "[[") return { status: evaluateTest(operands.slice(0, -1)), flow: "next" };
    if (command === "shift") this.#shift(operands[0] === undefined && operands.length > 0 ? "?" : (operands[0] ?? "1"));
    else if (command === "set") this.#set(operands);
    else if (command === "read") for (const name of operands) this.#state.variables.set(name ?? "", undefined);
    else if (command === "unset") for (const name of operands) this.#state.variables.delete(name ?? "");
    else if (DECLARATIONS.has(command)) this.#declare(node.words.slice(1));
    else return undefined;
    return { status: command === "read" ? undefined : true, flow: "next" };
  }

  #walkExternal(node: SimpleCommand, argv: ShellValue[], writes: ShellValue[]): Outcome {
    if (argv[0] === "." || argv[0] === "source") {
      this.#state.variables.set("RET", undefined);
      if (!SETS_NOTHING.test(argv[1] ?? "")) this.#state.isOpen = true;
    }
    this.#emit(node, argv, writes);
    // A wrapper such as `in_sysroot cmd` reaches here with the wrapped command, since functions are followed.
    return { status: this.#knownStatus(argv), flow: "next" };
  }

  #call(body: ShellNode, operands: ShellValue[]): Outcome {
    if (this.#calls >= MAX_CALLS) return { status: undefined, flow: "next" };
    this.#calls++;
    const positional = this.#state.positional;
    this.#state.positional = operands;
    const outcome = this.walk(body);
    this.#state.positional = positional;
    this.#calls--;
    return outcome.flow === "leave" ? { ...outcome, flow: "next" } : outcome;
  }

  /** Walks something that may or may not happen. */
  #maybe(walk: () => Outcome): Outcome {
    return this.#fork([walk, () => ({ status: undefined, flow: "next" })]);
  }

  /** Walks alternatives from the same state, of which exactly one happens. */
  #fork(alternatives: (() => Outcome)[]): Outcome {
    const before = this.#state;
    const ends: ShellState[] = [];
    const outcomes = alternatives.map((walk) => {
      this.#state = copyState(before);
      const outcome = walk();
      if (outcome.flow === "next") ends.push(this.#state);
      return outcome;
    });
    this.#state = before;
    if (ends.length > 0) mergeStates(this.#state, ends);
    const goOn = outcomes.filter(({ flow }) => flow === "next");
    if (goOn.length === 0)
      return { status: undefined, flow: outcomes.some(({ flow }) => flow === "leave") ? "leave" : "exit" };
    const [first] = goOn;
    const isSame = outcomes.every(({ status, flow }) => flow === "next" && status === first!.status);
    return { status: isSame ? first!.status : undefined, flow: "next" };
  }

  #inCopy(walk: () => Outcome): Outcome {
    const before = this.#state;
    this.#state = copyState(before);
    const outcome = walk();
    this.#state = before;
    return outcome;
  }

  #shift(count: string): void {
    if (/^[0-9]+$/.test(count)) this.#state.positional?.splice(0, Number(count));
    else this.#state.positional = undefined;
  }

  #set(operands: ShellValue[]): void {
    const [first] = operands;
    if (first !== undefined && /^[-+][a-z]+$/.test(first)) return;
    this.#state.positional = first === "--" ? operands.slice(1) : operands;
  }

  #declare(words: Word[]): void {
    for (const word of words) {
      const [first, ...rest] = word;
      if (first?.kind !== "text") continue;
      const equals = first.text.indexOf("=");
      if (equals < 0) continue;
      const value = expandString([{ ...first, text: first.text.slice(equals + 1) }, ...rest], this.#state);
      this.#state.variables.set(first.text.slice(0, equals), value);
    }
  }

  #written(redirects: Redirect[]): ShellValue[] {
    return redirects
      .filter(({ operator }) => operator === ">" || operator === ">>" || operator === ">|" || operator === "<>")
      .map(({ target }) => expandString(target, this.#state))
      .filter((target) => target !== "/dev/null" && target !== "/dev/stderr" && target !== "/dev/tty");
  }

  #emit(node: ShellNode, argv: ShellValue[], writes: ShellValue[]): void {
    const key = JSON.stringify([node.start, argv, writes]);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const text = this.#script
      .slice(node.start, node.end)
      .replace(/\\\n\s*/g, " ")
      .replace(/\s+/g, " ")
      .trim();
    this.commands.push({ line: node.line, text: text.slice(0, 300), argv, writes });
  }
}

/** `command useradd …` runs useradd; `command -v useradd` only looks. */
function withoutCommand(argv: ShellValue[]): ShellValue[] {
  const [first, second] = argv;
  return first === "command" && second !== undefined && !second.startsWith("-") ? argv.slice(1) : argv;
}

function returnStatus(operand: ShellValue): Status {
  return operand === "0" ? true : operand !== undefined && /^[1-9]/.test(operand) ? false : undefined;
}
