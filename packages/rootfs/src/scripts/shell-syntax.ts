/** A piece of a word: text as written, or something that is only known when the script runs. */
export type WordPart =
  | { kind: "text"; text: string; quoted: boolean }
  /** `$name`, `${name}` or `${name<operator><argument>}`. */
  | { kind: "parameter"; name: string; operator: string; argument: Word; quoted: boolean }
  /** Command substitution or arithmetic: never evaluated. */
  | { kind: "substitution"; text: string; quoted: boolean };

/** What quoting and expansion make of one token: its parts in order. */
export type Word = WordPart[];

/** A redirection of a command (XCU 2.7). */
export interface Redirect {
  /** Without the descriptor: `>`, `>>`, `<`, `>&`, `<<` … */
  operator: string;
  target: Word;
}

/** Where a command stands: lines count from 1, offsets are in UTF-16 units of the script. */
export interface ShellSpan {
  line: number;
  start: number;
  end: number;
}

/** Assignments, a command and its arguments, and redirections (XCU 2.9.1). */
export type SimpleCommand = ShellSpan & {
  kind: "simple";
  assignments: { name: string; value: Word }[];
  words: Word[];
  redirects: Redirect[];
};

/** A node of a POSIX shell script, as XCU 2.9 ("Shell Commands") names them. */
export type ShellNode =
  | SimpleCommand
  | (ShellSpan & { kind: "list"; nodes: ShellNode[] })
  | (ShellSpan & { kind: "pipeline"; isNegated: boolean; nodes: ShellNode[] })
  | (ShellSpan & { kind: "and-or"; left: ShellNode; operator: "&&" | "||"; right: ShellNode })
  | (ShellSpan & { kind: "if"; branches: { condition: ShellNode; body: ShellNode }[]; otherwise?: ShellNode })
  | (ShellSpan & { kind: "case"; subject: Word; clauses: { patterns: Word[]; body: ShellNode }[] })
  | (ShellSpan & { kind: "for"; variable: string; items: Word[]; body: ShellNode })
  | (ShellSpan & { kind: "while"; condition: ShellNode; body: ShellNode })
  | (ShellSpan & { kind: "function"; name: string; body: ShellNode })
  /** A compound command with redirections of its own, or a subshell or group. */
  | (ShellSpan & { kind: "group"; body: ShellNode; isSubshell: boolean; redirects: Redirect[] });
