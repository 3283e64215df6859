import { compileGlob, CvmError } from "@cvm-build/bytes";
import { type FileTree, parentOf } from "@cvm-build/fs-writer";

/**
 * The paths that a glob means: `*`, `?` and `[…]` within a name, dot files included, and `**` for any number of
 * directories. Directories that are named outright are reached through symbolic links, those that a wildcard finds are
 * not, and a link that is the last name stands for itself. A final slash means directories only.
 */
export function matchPaths(tree: FileTree, pattern: string): string[] {
  const names = pattern.split("/").filter((name) => name !== "" && name !== ".");
  if (names.length === 0 || names.includes("..")) {
    throw new CvmError("setting", `cannot match "${pattern}": expected a path below the root without ".."`);
  }
  const found = new Set<string>();
  walk(tree, { directory: "/", names, found });
  const paths = [...found];
  return pattern.endsWith("/") ? paths.filter((path) => tree.get(path)?.kind === "directory") : paths;
}

function walk(
  tree: FileTree,
  { directory, names, found }: { directory: string; names: string[]; found: Set<string> },
): void {
  const [name = "", ...rest] = names;
  const join = (child: string): string => (directory === "/" ? `/${child}` : `${directory}/${child}`);
  const enter = (path: string): void => {
    if (rest.length === 0) found.add(path);
    else if (tree.get(path)?.kind === "directory") walk(tree, { directory: path, names: rest, found });
  };
  if (name === "**") {
    if (rest.length > 0) walk(tree, { directory, names: rest, found });
    for (const child of tree.list(directory)) {
      const path = join(child);
      if (rest.length === 0) found.add(path);
      if (tree.get(path)?.kind === "directory") walk(tree, { directory: path, names, found });
    }
  } else if (/[*?[\\]/.test(name)) {
    const isWanted = compileGlob(name);
    for (const child of tree.list(directory)) if (isWanted(child)) enter(join(child));
  } else {
    const path = join(name);
    const target = rest.length > 0 ? tree.resolve(path) : path;
    if (target !== undefined && tree.has(target)) enter(target);
  }
}

/** Removes what the globs match, with everything below it. Returns the paths that were removed. */
export function removeMatches(tree: FileTree, patterns: readonly string[]): string[] {
  const removed: string[] = [];
  for (const pattern of patterns) {
    for (const path of matchPaths(tree, pattern)) {
      // A directory that the same pattern matched may have taken this one along.
      if (tree.has(parentOf(path)) && tree.delete(path)) removed.push(path);
    }
  }
  return removed;
}
