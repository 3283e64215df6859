import { parentOf } from "@cvm-build/fs-writer";
import type { PackageFinisher } from "../finisher.ts";
import type { ShellValue } from "../scripts/shell-state.ts";
import { finisherEditor } from "./editor.ts";

const TEMPLATE = "/usr/share/debianutils/shells";
const DIRECTORY = "/usr/share/debianutils/shells.d";
const TARGET = "/etc/shells";

/** Reads `add-shell SHELL…`; undefined where it is anything else. */
export function parseAddShell([command, ...words]: readonly ShellValue[]): string[] | undefined {
  const isShell = (word: ShellValue): word is string => /^\/[^\s#]+$/.test(word ?? "");
  return command === "add-shell" && words.length > 0 && words.every(isShell) ? words : undefined;
}

/** /etc/shells, from debianutils' template and what packages put into shells.d or add, each also by its real path. */
export const shellsFinisher: PackageFinisher = {
  name: "shells",
  replaces: ["update-shells", "add-shell"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const template = editor.readText(TEMPLATE);
    if (template === undefined) return editor.effect("no debianutils in the image");
    if (editor.has(TARGET)) return editor.effect("an extra tree brings /etc/shells");
    const files = [TEMPLATE, ...tree.list(DIRECTORY).map((name) => `${DIRECTORY}/${name}`)];
    const lines = files.flatMap((path) => (editor.readText(path) ?? "").split("\n"));
    const listed = lines.map((line) => line.split("#")[0]!.trim()).filter((line) => line.startsWith("/"));
    const added = context.commands.flatMap(({ argv }) => parseAddShell(argv) ?? []);
    const shells = new Set<string>();
    for (const shell of [...listed, ...added]) {
      shells.add(shell);
      const directory = tree.resolve(parentOf(shell)) ?? parentOf(shell);
      shells.add(`${directory}/${shell.slice(shell.lastIndexOf("/") + 1)}`);
    }
    const comments = template.split("\n").filter((line) => line.startsWith("#"));
    editor.writeFile(TARGET, [...comments, ...shells].map((line) => `${line}\n`).join(""));
    return editor.effect(`${shells.size} shells`);
  },
};
