import { contentOf, type FileTree, readContent } from "@cvm-build/fs-writer";
import type { Finisher } from "../finisher.ts";
import { finisherEditor } from "../finishers/editor.ts";
import type { TreeEditor } from "../tree-editor.ts";
import { compareCachedLibraries } from "./compare.ts";
import { LibraryFactsCache } from "./facts-cache.ts";
import { listLibraryDirectories } from "./ld-so-conf.ts";
import { resolveDirectories, scanDirectory } from "./scan.ts";
import { encodeLinkerCache } from "./writer.ts";

const CACHE_PATH = "/etc/ld.so.cache";

/** Writes `/etc/ld.so.cache` and the links from sonames to libraries, as `ldconfig` does. Nothing without glibc. */
export const linkerCacheFinisher: Finisher = {
  name: "linker-cache",
  replaces: ["ldconfig"],
  finish(tree, context) {
    const editor = finisherEditor(tree, "linker-cache", context);
    const paths = listLibraryDirectories(tree, context.profile.distribution.architecture);
    const directories = resolveDirectories(tree, paths);
    const generator = findGenerator(
      tree,
      directories.map(({ resolved }) => resolved),
    );
    if (generator === undefined) return editor.effect("no glibc in the tree");
    const facts = new LibraryFactsCache(context.cache, tree);
    const results = directories.map((directory) => scanDirectory(tree, directory, { facts }));
    facts.save();
    for (const { links, stale } of results) {
      for (const path of stale) editor.remove(path);
      for (const link of links) placeLink(tree, link, editor);
    }
    const libraries = results.flatMap((result) => result.libraries).sort(compareCachedLibraries);
    const hwcapsNames = directories.flatMap(({ hwcapsName }) => (hwcapsName === undefined ? [] : [hwcapsName]));
    editor.writeFile(CACHE_PATH, contentOf(encodeLinkerCache({ libraries, hwcapsNames, generator })));
    const unread = results.flatMap((result) => result.unread);
    const note = unread.length === 0 ? "" : `, not read: ${unread.join(" ")}`;
    return editor.effect(`${libraries.length} libraries${note}`);
  },
};

/** Makes `path` lead to the library, unless it does already or is a file of its own. */
function placeLink(tree: FileTree, { path, target }: { path: string; target: string }, editor: TreeEditor): void {
  const existing = tree.get(path);
  if (
    existing &&
    (existing.kind !== "symlink" ||
      tree.follow(path) === tree.follow(`${path.slice(0, path.lastIndexOf("/"))}/${target}`))
  ) {
    return;
  }
  editor.writeSymlink(path, target);
}

/** What that glibc's own ldconfig calls itself: glibc prints its version from a text of the same form. */
function findGenerator(tree: FileTree, directories: readonly string[]): string | undefined {
  for (const directory of directories) {
    const node = tree.follow(`${directory}/libc.so.6`);
    if (node?.kind !== "file") continue;
    const bytes = readContent(node.content);
    const start = bytes.indexOf("GNU C Library (");
    const banner = start < 0 ? "" : bytes.toString("latin1", start, start + 256);
    const version = /^GNU C Library (\([^)\n]*\) \S+ release version \d+(?:\.\d+)*)/.exec(banner)?.[1];
    return version === undefined ? "cvm-build" : `ldconfig ${version}`;
  }
  return undefined;
}
