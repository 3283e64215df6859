import type { PackageFinisher } from "../finisher.ts";
import type { NewAttributes, TreeEditor } from "../tree-editor.ts";
import { finisherEditor } from "./editor.ts";

/** Files that base-files copies out of /usr/share/base-files on a first installation. */
const COPIES = {
  "/root/.profile": "/usr/share/base-files/dot.profile",
  "/root/.bashrc": "/usr/share/base-files/dot.bashrc",
  "/etc/profile": "/usr/share/base-files/profile",
  "/etc/motd": "/usr/share/base-files/motd",
} as const;

/** Directories that it makes. Group 8 is `mail`, fixed by base-passwd. */
const DIRECTORIES: Readonly<Record<string, NewAttributes>> = {
  "/mnt": {},
  "/srv": {},
  "/opt": {},
  "/etc/opt": {},
  "/var/opt": {},
  "/media": {},
  "/var/mail": { mode: 0o2775, gid: 8 },
  "/run/lock": { mode: 0o1777 },
  "/usr/local": {},
  "/usr/local/bin": {},
  "/usr/local/etc": {},
  "/usr/local/games": {},
  "/usr/local/include": {},
  "/usr/local/lib": {},
  "/usr/local/libexec": {},
  "/usr/local/sbin": {},
  "/usr/local/share": {},
  "/usr/local/share/man": {},
  "/usr/local/src": {},
};

const LINKS = {
  "/var/run": "/run",
  "/var/lock": "/run/lock",
  "/var/spool/mail": "../mail",
  "/usr/local/man": "share/man",
  "/etc/dpkg/origins/default": "debian",
} as const;

/** Login records. Group 43 is `utmp`, fixed by base-passwd. */
const LOGS: Readonly<Record<string, NewAttributes>> = {
  "/var/log/wtmp": { mode: 0o664, gid: 43 },
  "/var/log/btmp": { mode: 0o660, gid: 43 },
  "/var/log/lastlog": { mode: 0o664, gid: 43 },
};

/** Every path that this finisher answers for, so that a new line of the script is seen as new. */
export const BASE_FILES_PATHS: readonly string[] = [
  ...Object.keys(COPIES),
  ...Object.keys(DIRECTORIES),
  ...Object.keys(LINKS),
  ...Object.keys(LOGS),
];

/** What the postinst of base-files makes beside what the package holds. Does nothing where that package is absent. */
export const baseFilesFinisher: PackageFinisher = {
  name: "base-files",
  replaces: ["base-files.postinst"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    if (!context.commands.some((command) => command.package === "base-files")) return editor.effect("not in the image");
    for (const [path, source] of Object.entries(COPIES)) copyIfAbsent(editor, path, source);
    for (const [path, attributes] of Object.entries(DIRECTORIES)) {
      if (!editor.has(path)) editor.makeDirectory(path, attributes);
    }
    for (const [path, target] of Object.entries(LINKS)) linkIfAbsent(editor, path, target);
    for (const [path, attributes] of Object.entries(LOGS)) {
      if (!editor.has(path)) editor.writeFile(path, "", attributes);
    }
    const effect = editor.effect("");
    return { ...effect, summary: `${effect.paths.length} paths of Debian's basic layout` };
  },
};

function copyIfAbsent(editor: TreeEditor, path: string, source: string): void {
  const text = editor.readText(source);
  if (text !== undefined && !editor.has(path)) editor.writeFile(path, text);
}

/** An empty directory gives way, as it does to the script; anything else that is there stays. */
function linkIfAbsent(editor: TreeEditor, path: string, target: string): void {
  const node = editor.tree.get(path);
  if (node?.kind === "directory" && editor.tree.list(path).length === 0) editor.remove(path);
  const parent = path.slice(0, path.lastIndexOf("/"));
  if (!editor.has(path) && editor.tree.follow(parent)?.kind === "directory") editor.writeSymlink(path, target);
}
