import { CvmError } from "@cvm-build/bytes";
import { contentOf, FileTree, type Origin, parentOf, readContent } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import { formatAssignment, parseOsRelease } from "./os-release.ts";

/** The tree of a portable service, and what is attached of it. */
export interface PortableTree {
  tree: FileTree;
  /** Prefix of the units' names. */
  prefix: string;
  /** Names of the units that portablectl copies out, sorted. */
  units: string[];
}

const ORIGIN: Origin = { kind: "finisher", name: "portable" };
const UNIT_DIRECTORIES = ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"];
const UNIT_SUFFIX = /\.(?:service|socket|target|timer|path)$/;
/** What is mounted over from the system that it is attached to has to be there, since the image cannot be written to. */
const MOUNTED_FILES = ["/etc/machine-id", "/etc/resolv.conf"];
const MOUNTED_DIRECTORIES = {
  "/dev": 0o755,
  "/proc": 0o755,
  "/run": 0o755,
  "/sys": 0o755,
  "/tmp": 0o1777,
  "/var/tmp": 0o1777,
};
const OS_RELEASES = ["/etc/os-release", "/usr/lib/os-release"];

/**
 * Makes the tree of a portable service: an image's own, with what is mounted over, and with an os-release that says by which
 * names its units are attached.
 * @throws CvmError `extension` where there is no os-release, or no unit of the image's name
 * @see portablectl(1); systemd's "Portable Services Introduction", "Requirements on Images"
 */
export function makePortableTree(source: FileTree, profile: Profile): PortableTree {
  const { imageId } = profile.output;
  // What follows an underscore is a version.
  const prefix = imageId.replace(/_.*$/s, "");
  const units = unitsOf(source, prefix);
  if (units.length === 0) {
    const message = `cannot make portable service "${imageId}": expected a unit "${prefix}.service", or one whose name begins with "${prefix}-" or "${prefix}@", got none`;
    throw new CvmError("extension", message, {
      hint: `units are looked for in ${UNIT_DIRECTORIES.join(", ")}; ImageId= is what their names begin with`,
      details: { prefix },
    });
  }
  const tree = new FileTree(source.get("/")!);
  for (const [path, node] of source.entries()) tree.set(path, node);
  const attributes = { uid: 0, gid: 0, mtimeSec: profile.content.sourceDateEpochSec, origin: ORIGIN };
  const writeFile = (path: string, text: string): void => {
    tree.makeDirectories(parentOf(path), ORIGIN);
    tree.set(path, { ...attributes, kind: "file", mode: 0o644, content: contentOf(text) });
  };
  const release = releaseOf(source, imageId);
  writeFile(release.path, `${release.text}${formatAssignment("PORTABLE_PREFIXES", prefix)}`);
  for (const path of MOUNTED_FILES) if (!tree.has(path)) writeFile(path, "");
  for (const [path, mode] of Object.entries(MOUNTED_DIRECTORIES)) {
    if (tree.has(path)) continue;
    tree.makeDirectories(parentOf(path), ORIGIN);
    tree.set(path, { ...attributes, kind: "directory", mode });
  }
  return { tree, prefix, units };
}

function unitsOf(tree: FileTree, prefix: string): string[] {
  const names = UNIT_DIRECTORIES.flatMap((directory) =>
    tree.list(directory).filter((name) => tree.follow(`${directory}/${name}`)?.kind === "file"),
  );
  const isOwn = (name: string): boolean => name.startsWith(prefix) && /^[-.@]/.test(name.slice(prefix.length));
  return [...new Set(names)].filter((name) => isOwn(name) && UNIT_SUFFIX.test(name)).sort();
}

/** The os-release that portablectl reads, without what it says of prefixes. */
function releaseOf(tree: FileTree, imageId: string): { path: string; text: string } {
  for (const name of OS_RELEASES) {
    const path = tree.resolve(name);
    const node = path === undefined ? undefined : tree.get(path);
    if (path === undefined || node?.kind !== "file") continue;
    const text = readContent(node.content).toString("utf8");
    const release = parseOsRelease(text);
    const lines = text.split("\n").filter((line) => line !== "" && !line.trim().startsWith("PORTABLE_PREFIXES="));
    if (release.get("ID")) return { path, text: lines.map((line) => `${line}\n`).join("") };
    throw new CvmError("extension", `cannot make portable service "${imageId}": expected ID= in "${path}", got none`);
  }
  throw new CvmError("extension", `cannot make portable service "${imageId}": expected "${OS_RELEASES[1]}", got none`, {
    hint: "package base-files has it",
  });
}
