import { parentOf } from "@cvm-build/fs-writer";
import type { PackageFinisher } from "../finisher.ts";
import { finisherEditor } from "./editor.ts";

const TEMPLATE = "/usr/share/debianutils/shells";
const DIRECTORY = "/usr/share/debianutils/shells.d";
const TARGET = "/etc/shells";

/** /etc/shells, from debianutils' template and what packages put into shells.d, each also by its real path. */
export const shellsFinisher: PackageFinisher = {
  name: "shells",
  replaces: ["update-shells", "add-shell"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const template = editor.readText(TEMPLATE);
    if (template === undefined) return editor.effect("no debianutils in the image");
    if (editor.has(TARGET)) return editor.effect("an extra tree brings /etc/shells");
    const shells = new Set<string>();
    for (const path of [TEMPLATE, ...tree.list(DIRECTORY).map((name) => `${DIRECTORY}/${name}`)]) {
      for (const line of (editor.readText(path) ?? "").split("\n")) {
        const shell = line.split("#")[0]!.trim();
        if (!shell.startsWith("/")) continue;
        shells.add(shell);
        const directory = tree.resolve(parentOf(shell)) ?? parentOf(shell);
        shells.add(`${directory}/${shell.slice(shell.lastIndexOf("/") + 1)}`);
      }
    }
    const comments = template.split("\n").filter((line) => line.startsWith("#"));
    editor.writeFile(TARGET, [...comments, ...shells].map((line) => `${line}\n`).join(""));
    return editor.effect(`${shells.size} shells`);
  },
};
