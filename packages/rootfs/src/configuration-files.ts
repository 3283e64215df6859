import { compareUtf8, type FileTree } from "@cvm-build/fs-writer";

/**
 * The `.conf`-style files of several directories as systemd reads them: a name in an earlier directory hides the same
 * name in a later one, and an empty file or a link to /dev/null hides it altogether. Ordered by name.
 * @param suffix what the names end in
 * @see systemd.syntax(7); sysusers.d(5), "CONFIGURATION DIRECTORIES AND PRECEDENCE"
 */
export function configurationFiles(tree: FileTree, directories: readonly string[], suffix = ".conf"): string[] {
  const byName = new Map<string, string>();
  for (const directory of directories) {
    for (const name of tree.list(tree.resolve(directory) ?? directory)) {
      if (name.endsWith(suffix) && !byName.has(name)) byName.set(name, `${directory}/${name}`);
    }
  }
  const names = [...byName.keys()].sort(compareUtf8);
  return names.map((name) => byName.get(name)!).filter((path) => tree.follow(path)?.kind === "file");
}
