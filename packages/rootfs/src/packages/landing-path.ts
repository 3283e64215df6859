import { FormatError } from "@cvm-build/bytes";
import { type FileTree, parentOf } from "@cvm-build/fs-writer";

/** Linux's own limit on symbolic links in one path. */
const MAX_SYMLINKS = 40;

/**
 * Where an entry lands: the symbolic links of its directories are followed inside the tree, its last name is kept.
 * @throws FormatError where a link on the way loops or points above the root
 */
export function landingPath(tree: FileTree, path: string, archive: string): string {
  const names = path.split("/").filter(Boolean).reverse();
  let at = "/";
  let links = 0;
  for (let name = names.pop(); name !== undefined; name = names.pop()) {
    if (name === ".") continue;
    if (name === "..") {
      if (at === "/") refuseLink(archive, path, "symbolic links that stay inside the image");
      at = parentOf(at);
      continue;
    }
    const next = at === "/" ? `/${name}` : `${at}/${name}`;
    const node = tree.get(next);
    if (node?.kind === "symlink" && names.length > 0) {
      if (++links > MAX_SYMLINKS) refuseLink(archive, path, `at most ${MAX_SYMLINKS} symbolic links`);
      if (node.target.startsWith("/")) at = "/";
      names.push(...node.target.split("/").filter(Boolean).reverse());
      continue;
    }
    at = next;
  }
  return at;
}

function refuseLink(archive: string, path: string, expected: string): never {
  throw new FormatError({ record: archive }, `expected ${expected} on the way to ${JSON.stringify(path)}`);
}
