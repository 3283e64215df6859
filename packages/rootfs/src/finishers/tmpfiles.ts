import { FormatError } from "@cvm-build/bytes";
import type { FileTree } from "@cvm-build/fs-writer";
import { AccountDatabase } from "../accounts/account-database.ts";
import { splitQuoted } from "../accounts/sysusers.ts";
import { configurationFiles } from "../configuration-files.ts";
import type { PackageFinisher } from "../finisher.ts";
import type { TreeEditor } from "../tree-editor.ts";
import { finisherEditor } from "./editor.ts";

const DIRECTORIES = ["/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d"];
/** What lives on the root file system. /run, /tmp, /dev, /proc and /sys are other file systems by then. */
const STATIC_PLACES = /^\/(etc|var|srv|home|root|usr|opt)(\/|$)/;

/** One line of a tmpfiles.d file. */
export interface TmpfilesLine {
  /** The type's letter: d, D, v, q, Q, e, L, f, C … */
  letter: string;
  /** The modifiers after it: `+`, `!`, `=`, `^`, `$`, `-`, `~`, `?`. */
  modifiers: string;
  path: string;
  mode?: string;
  user?: string;
  group?: string;
  argument?: string;
}

/**
 * Parses a tmpfiles.d file.
 * @throws FormatError naming the file and line
 * @see tmpfiles.d(5)
 */
export function parseTmpfiles(text: string, file: string): TmpfilesLine[] {
  return text.split("\n").flatMap((line, index) => {
    if (/^\s*(#|$)/.test(line)) return [];
    const [type = "", path = "", mode, user, group, , ...rest] = splitQuoted(line);
    const match = /^([a-zA-Z])([-+!=^$~?]*)$/.exec(type);
    if (!match || !path.startsWith("/")) {
      throw new FormatError(
        { record: file },
        `expected a type and an absolute path on line ${index + 1}, got ${JSON.stringify(line)}`,
      );
    }
    const fields = { mode, user, group, argument: rest.length > 0 ? rest.join(" ") : undefined };
    const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== "-" && value !== "");
    return [{ letter: match[1]!, modifiers: match[2]!, path, ...Object.fromEntries(given) }];
  });
}

/**
 * Static state that systemd-tmpfiles would make at every boot, made at build time where services may need it earlier:
 * directories (d, D, v, q, Q), symbolic links (L), empty or given files (f) and copies of single files (C) below /etc,
 * /var, /srv, /home, /root, /usr and /opt. Lines with specifiers or credentials, and every other type, are left to
 * systemd-tmpfiles at boot.
 */
export const tmpfilesFinisher: PackageFinisher = {
  name: "tmpfiles",
  replaces: ["systemd-tmpfiles"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const accounts = AccountDatabase.read(editor);
    const seen = new Set<string>();
    for (const file of configurationFiles(tree, DIRECTORIES)) {
      for (const line of parseTmpfiles(editor.readText(file) ?? "", file)) {
        const path = line.path.replace(/\/+$/, "") || "/";
        const isStatic = STATIC_PLACES.test(path) && !/%|\/\.\.?(\/|$)/.test(path) && !line.argument?.includes("%");
        // As in systemd, the first line for a path wins.
        if (!isStatic || line.modifiers.includes("^") || seen.has(`${line.letter}${path}`)) continue;
        seen.add(`${line.letter}${path}`);
        apply({ ...line, path }, { tree, editor, accounts });
      }
    }
    const effect = editor.effect("");
    return { ...effect, summary: `${effect.paths.length} paths; the rest at boot` };
  },
};

interface Place {
  tree: FileTree;
  editor: TreeEditor;
  accounts: AccountDatabase;
}

function apply(line: TmpfilesLine, { tree, editor, accounts }: Place): void {
  const { letter, modifiers, path, argument } = line;
  if (/^[dDvqQ]$/.test(letter)) applyDirectory(line, { tree, editor, accounts });
  else if (letter === "L") {
    const target = argument ?? `/usr/share/factory${path}`;
    const existing = tree.get(path);
    const isSame = existing?.kind === "symlink" && existing.target === target;
    if (isSame || (editor.has(path) && !modifiers.includes("+"))) return;
    if (existing?.kind === "directory") editor.remove(path);
    editor.writeSymlink(path, target);
  } else if (letter === "f" && !editor.has(path)) {
    const attributes = attributesOf(line, accounts);
    if (attributes) editor.writeFile(path, argument ?? "", attributes);
  } else if (letter === "C" && !editor.has(path)) {
    const source = tree.follow(argument ?? `/usr/share/factory${path}`);
    const attributes = attributesOf({ ...line, mode: line.mode ?? source?.mode.toString(8) ?? "644" }, accounts);
    if (source?.kind === "file" && attributes) editor.writeFile(path, source.content, attributes);
  }
}

function applyDirectory(line: TmpfilesLine, { editor, accounts, tree }: Place): void {
  const attributes = attributesOf(line, accounts);
  if (!attributes) return;
  if (editor.makeDirectory(line.path, attributes)) return;
  // `:` before a value means: only where the directory is made.
  const changes: { mode?: number; uid?: number; gid?: number } = {};
  if (line.mode !== undefined && !/[:~]/.test(line.mode)) changes.mode = attributes.mode;
  if (line.user !== undefined && !line.user.startsWith(":")) changes.uid = attributes.uid;
  if (line.group !== undefined && !line.group.startsWith(":")) changes.gid = attributes.gid;
  const node = tree.follow(line.path);
  const isSame = Object.entries(changes).every(([name, value]) => node?.[name as keyof typeof changes] === value);
  if (!isSame) editor.setAttributes(line.path, changes);
}

/** Undefined where an account does not exist: systemd-tmpfiles refuses such a line too. */
function attributesOf(
  { mode, user, group, letter }: TmpfilesLine,
  accounts: AccountDatabase,
): { mode: number; uid: number; gid: number } | undefined {
  const plain = (text: string | undefined): string => text?.replace(/^[:~]+/, "") ?? "";
  const uid = user === undefined ? 0 : accounts.userId(plain(user));
  const gid = group === undefined ? 0 : accounts.groupId(plain(group));
  const digits = plain(mode);
  if (uid === undefined || gid === undefined || !/^[0-7]*$/.test(digits)) return undefined;
  return { mode: digits === "" ? (letter === "f" ? 0o644 : 0o755) : Number.parseInt(digits, 8), uid, gid };
}
