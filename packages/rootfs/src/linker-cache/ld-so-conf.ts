import { CvmError } from "@cvm-build/bytes";
import { type FileTree, readContent } from "@cvm-build/fs-writer";

const LD_SO_CONF = "/etc/ld.so.conf";
/** ldconfig would follow an include of itself for ever. */
const MAX_INCLUDE_DEPTH = 16;

/** Debian's multiarch name of each architecture, whose directories the dynamic linker trusts first. */
const MULTIARCH = { "x86-64": "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" } as const;

/**
 * Directories to look for libraries in, as `ldconfig` of Debian has them: those of `/etc/ld.so.conf` and what it
 * includes, then the trusted ones. As written, not yet resolved, perhaps not there.
 * @throws CvmError `linker-cache` where files include each other without end
 */
export function listLibraryDirectories(tree: FileTree, architecture: keyof typeof MULTIARCH): string[] {
  const multiarch = MULTIARCH[architecture];
  return [...readConf(tree, LD_SO_CONF, 0), `/lib/${multiarch}`, `/usr/lib/${multiarch}`, "/lib", "/usr/lib"];
}

function readConf(tree: FileTree, path: string, depth: number): string[] {
  if (depth > MAX_INCLUDE_DEPTH) {
    throw new CvmError("linker-cache", `cannot read "${path}": expected includes at most ${MAX_INCLUDE_DEPTH} deep`);
  }
  const node = tree.follow(path);
  if (node?.kind !== "file") return [];
  return readContent(node.content)
    .toString("utf8")
    .split("\n")
    .map((line) => line.replace(/#.*$/s, "").trim())
    .flatMap((line) => {
      const include = /^include[ \t](.*)$/s.exec(line)?.[1];
      if (include !== undefined) {
        const patterns = include.split(/[ \t]+/).filter(Boolean);
        return patterns
          .flatMap((pattern) => expand(tree, pattern, path))
          .flatMap((file) => readConf(tree, file, depth + 1));
      }
      if (line === "" || /^hwcap[ \t]/i.test(line)) return [];
      return [line.replace(/\/+$/, "")].filter(Boolean);
    });
}

/** The files that a pattern of `include` names, in byte order. */
function expand(tree: FileTree, pattern: string, from: string): string[] {
  const absolute = pattern.startsWith("/") ? pattern : `${from.slice(0, from.lastIndexOf("/"))}/${pattern}`;
  return absolute
    .split("/")
    .filter(Boolean)
    .reduce<string[]>((paths, part) => paths.flatMap((path) => matchIn(tree, path, part)), [""]);
}

/** `*` and `?` as the shell has them: they match no leading dot. */
function matchIn(tree: FileTree, directory: string, part: string): string[] {
  if (!/[*?]/.test(part)) return tree.resolve(`${directory}/${part}`) === undefined ? [] : [`${directory}/${part}`];
  const source = part
    .replace(/[\\^$.|+(){}[\]]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  const matcher = new RegExp(`^${part.startsWith(".") ? "" : "(?!\\.)"}${source}$`, "s");
  const resolved = tree.resolve(directory === "" ? "/" : directory);
  return resolved === undefined
    ? []
    : tree
        .list(resolved)
        .filter((name) => matcher.test(name))
        .map((name) => `${directory}/${name}`);
}
