import { compareUtf8 } from "@cvm-build/fs-writer";
import type { PackageFinisher } from "../finisher.ts";
import type { ShellValue } from "../scripts/shell-state.ts";
import type { TreeEditor } from "../tree-editor.ts";
import { finisherEditor } from "./editor.ts";

/** A link in the file system, its name in /etc/alternatives, and what one package offers for it. */
interface AlternativeLink {
  link: string;
  name: string;
  path: string;
}

/** One `update-alternatives --install`. */
export interface Alternative extends AlternativeLink {
  priority: number;
  slaves: AlternativeLink[];
}

/**
 * Reads an `update-alternatives --install` command.
 * @returns undefined where it is anything else, or a word is only known when the script runs
 * @see update-alternatives(1)
 */
export function parseAlternative([command, ...words]: readonly ShellValue[]): Alternative | undefined {
  if (command !== "update-alternatives" || words.includes(undefined)) return undefined;
  const known = words as string[];
  const at = known.indexOf("--install");
  const [link, name, path, priority] = known.slice(at + 1, at + 5);
  if (at < 0 || !link || !name || !path || !/^-?[0-9]+$/.test(priority ?? "")) return undefined;
  const slaves: AlternativeLink[] = [];
  known.forEach((word, index) => {
    const [slaveLink, slaveName, slavePath] = known.slice(index + 1, index + 4);
    if (word === "--slave" && slaveLink && slaveName && slavePath) {
      slaves.push({ link: slaveLink, name: slaveName, path: slavePath });
    }
  });
  return { link, name, path, priority: Number(priority), slaves };
}

/** The links of the alternatives system in automatic mode: the highest priority wins, then the first in order of path. */
export const alternativesFinisher: PackageFinisher = {
  name: "alternatives",
  replaces: ["update-alternatives"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const byName = new Map<string, Alternative[]>();
    for (const { argv } of context.commands) {
      const alternative = parseAlternative(argv);
      if (!alternative || !tree.follow(alternative.path)) continue;
      byName.set(alternative.name, [...(byName.get(alternative.name) ?? []), alternative]);
    }
    const chosen = [...byName.entries()].sort(([a], [b]) => compareUtf8(a, b)).map(([, group]) => choose(group));
    for (const alternative of chosen) {
      placeLink(editor, alternative);
      for (const slave of alternative.slaves) if (tree.follow(slave.path)) placeLink(editor, slave);
    }
    return editor.effect(chosen.map(({ name, path }) => `${name} is ${path}`).join(", ") || "none");
  },
};

function choose(group: Alternative[]): Alternative {
  const order = group.toSorted((a, b) => b.priority - a.priority || compareUtf8(a.path, b.path));
  return order[0]!;
}

/** What is at either place already was put there on purpose, by a package or an extra tree. */
function placeLink(editor: TreeEditor, { link: place, name, path }: AlternativeLink): void {
  const alternative = `/etc/alternatives/${name}`;
  if (!editor.has(alternative)) editor.writeSymlink(alternative, path);
  if (!editor.has(place)) editor.writeSymlink(place, alternative);
}
