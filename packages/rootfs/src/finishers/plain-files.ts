import { AccountDatabase } from "../accounts/account-database.ts";
import type { PackageFinisher } from "../finisher.ts";
import type { MaintainerCommand } from "../scripts/maintainer-command.ts";
import type { ShellValue } from "../scripts/shell-state.ts";
import type { TreeEditor } from "../tree-editor.ts";
import { finisherEditor } from "./editor.ts";

/** Where a package keeps state and configuration of its own; /usr is what its archive says it is. */
const OWN_PLACES = /^\/(etc|var|srv|home|root)\/./;
/** Programs and libraries, whose owner and bits a script may set where it can only do so once an account exists. */
const PROGRAM_PLACES = /^\/usr\/(bin|sbin|lib|libexec)\/./;
/** Files that only live while dpkg is at work. */
const TRANSIENT = /\.dpkg-\w+$|-will-install$/;
const DEFAULT_UMASK = 0o022;

/** A change to one path that asks for nothing but what the words say. */
export type PlainChange =
  | { kind: "directory"; path: string; mode?: number }
  | { kind: "file"; path: string }
  | { kind: "mode"; path: string; mode: number }
  | { kind: "owner"; path: string; user?: string; group?: string };

/**
 * Reads `mkdir`, `touch` and `: >file` with constant operands below /etc, /var, /srv, /home and /root, and `chmod`,
 * `chown` and `chgrp` there and of programs in /usr.
 * @returns undefined where it is another command, or an operand is only known when the script runs
 */
export function parsePlainChange({
  argv,
  writes,
}: Pick<MaintainerCommand, "argv" | "writes">): PlainChange[] | undefined {
  const [command, ...words] = argv;
  if (command === ":" && writes.length > 0) {
    const paths = ownPaths(writes);
    return paths?.map((path) => ({ kind: "file", path }));
  }
  if (writes.length > 0 || words.includes(undefined)) return undefined;
  const operands = (words as string[]).filter((word) => !word.startsWith("-"));
  if (command === "mkdir") return parseMkdir(words as string[]);
  if (command === "touch") return ownPaths(operands)?.map((path) => ({ kind: "file", path }));
  const [first = "", ...rest] = operands;
  const paths = ownPaths(rest) ?? programPaths(rest);
  const isRecursive = words.some((word) => /^-[a-zA-Z]*R|^--recursive$/.test(word ?? ""));
  if (!paths || isRecursive) return undefined;
  if (command === "chmod" && /^0?[0-7]{3,4}$/.test(first)) {
    return paths.map((path) => ({ kind: "mode", path, mode: Number.parseInt(first, 8) }));
  }
  if (command === "chgrp") return paths.map((path) => ({ kind: "owner", path, group: first }));
  if (command !== "chown") return undefined;
  const [user = "", group = ""] = first.split(/[:.]/);
  return paths.map((path) => ({ kind: "owner", path, ...(user ? { user } : {}), ...(group ? { group } : {}) }));
}

/** Directories and empty files that maintainer scripts make for their package, and whose they are. */
export const plainFilesFinisher: PackageFinisher = {
  name: "plain-files",
  replaces: ["mkdir", "touch", "chmod", "chown", "chgrp"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const accounts = AccountDatabase.read(editor);
    for (const { command, umask } of withUmask(context.commands)) {
      for (const change of parsePlainChange(command) ?? []) apply(change, { editor, accounts, umask });
    }
    const effect = editor.effect("");
    return { ...effect, summary: `${effect.paths.length} paths` };
  },
};

/** Each command with the umask that its script has set by then. */
function* withUmask(commands: readonly MaintainerCommand[]): Generator<{ command: MaintainerCommand; umask: number }> {
  let umask = DEFAULT_UMASK;
  let script = "";
  for (const command of commands) {
    const current = `${command.package}.${command.script}`;
    if (current !== script) umask = DEFAULT_UMASK;
    script = current;
    const [name, value] = command.argv;
    if (name === "umask" && /^[0-7]{3,4}$/.test(value ?? "")) umask = Number.parseInt(value!, 8);
    yield { command, umask };
  }
}

interface Place {
  editor: TreeEditor;
  accounts: AccountDatabase;
  umask: number;
}

function apply(change: PlainChange, { editor, accounts, umask }: Place): void {
  const { path } = change;
  if (change.kind === "directory") {
    if (!editor.has(path)) editor.makeDirectory(path, { mode: change.mode ?? 0o777 & ~umask });
  } else if (change.kind === "file") {
    if (!editor.has(path)) editor.writeFile(path, "", { mode: 0o666 & ~umask });
  } else if (change.kind === "mode") {
    editor.setAttributes(path, { mode: change.mode });
  } else {
    const uid = change.user === undefined ? undefined : accounts.userId(change.user);
    const gid = change.group === undefined ? undefined : accounts.groupId(change.group);
    editor.setAttributes(path, { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) });
  }
}

/** `-m` and `-pm` are followed by the mode, `-m0700` and `--mode=0700` hold it. */
const MKDIR_MODE = /^(?:-[pv]*m|--mode=?)(.*)$/;

function parseMkdir(words: string[]): PlainChange[] | undefined {
  const at = words.findIndex((word) => MKDIR_MODE.test(word));
  const held = MKDIR_MODE.exec(words[at] ?? "")?.[1];
  const mode = held === "" ? words[at + 1] : held;
  if (at >= 0 && !/^[0-7]{3,4}$/.test(mode ?? "")) return undefined;
  const operands = words.filter((word, index) => !word.startsWith("-") && (held !== "" || index !== at + 1));
  return ownPaths(operands)?.map((path) => ({
    kind: "directory",
    path,
    ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }),
  }));
}

function programPaths(words: readonly string[]): string[] | undefined {
  const isProgram = (word: string): boolean => PROGRAM_PLACES.test(word) && isPlainPath(word);
  return words.length > 0 && words.every(isProgram) ? [...words] : undefined;
}

/** No glob, nothing that leads elsewhere. */
function isPlainPath(word: string): boolean {
  return !/[*?[]|\/\.\.?(\/|$)|\/\//.test(word);
}

function ownPaths(words: readonly ShellValue[]): string[] | undefined {
  const isOwn = (word: ShellValue): word is string =>
    word !== undefined && OWN_PLACES.test(word) && !TRANSIENT.test(word) && isPlainPath(word);
  return words.length > 0 && words.every(isOwn) ? words.map((word) => word.replace(/\/$/, "")) : undefined;
}
