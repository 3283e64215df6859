import { type FileTree, readContent } from "@cvm-build/fs-writer";
import { MODULES_DIRECTORY } from "../kernel/module-files.ts";

/**
 * Paths of a release's modules in an order in which they can be loaded one after the other: what a module needs before it.
 * Ciphers and digests come first, since modules ask for those by names of which modules.dep knows nothing.
 * @returns absolute paths
 */
export function moduleLoadOrder(tree: FileTree, release: string): string[] {
  const directory = `${MODULES_DIRECTORY}/${release}`;
  const node = tree.follow(`${directory}/modules.dep`);
  if (node?.kind !== "file") return [];
  const lines = readContent(node.content)
    .toString("latin1")
    .split("\n")
    .filter(Boolean)
    .map((line) => line.split(/:? /).map((path) => path.replace(/:$/, "")));
  const isCrypto = (path: string): boolean => /(^|\/)crypto\//.test(path);
  const ordered = [...lines.filter(([path = ""]) => isCrypto(path)), ...lines.filter(([path = ""]) => !isCrypto(path))];
  // Each line names the module, then what it needs, users before what they use.
  const paths = ordered.flatMap((line) => line.toReversed());
  return [...new Set(paths)].map((path) => `${directory}/${path}`);
}
