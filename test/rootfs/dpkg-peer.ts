import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { sha256Hex } from "@cvm-build/bytes";
import type { FileTree } from "@cvm-build/fs-writer";
import type { FetchedPackage } from "@cvm-build/rootfs";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Installs packages of trixie into `root` with apt and dpkg, maintainer scripts and all, from the host's mirror. The
 * packages themselves are left in its apt cache. Needs root.
 */
export function installWithDpkg(root: string, packages: readonly string[]): void {
  const options = [
    "--quiet",
    "--variant=essential",
    // Only the download and what it leaves is kept from mmdebstrap's own cleaning.
    "--skip=essential/unlink,cleanup/apt",
    '--aptopt=APT::Keep-Downloaded-Packages "true"',
    `--include=${packages.join(",")}`,
  ];
  const source = `deb [signed-by=${KEYRING}] ${hostMirror()} trixie main`;
  execFileSync("mmdebstrap", [...options, "trixie", root, source], { stdio: ["ignore", "ignore", "pipe"] });
}

/** The packages that an installation was made of, as a lock would name them. */
export function installedPackages(root: string): FetchedPackage[] {
  const directory = join(root, "var/cache/apt/archives");
  const files = readdirSync(directory).filter((name) => name.endsWith(".deb"));
  return files.sort().map((file) => packageAt(join(directory, file)));
}

/** A package as a lock would name it, by apt's name of its file. */
export function packageAt(path: string): FetchedPackage {
  const file = basename(path);
  const bytes = readFileSync(path);
  const [name = "", version = "", architecture = ""] = decodeURIComponent(file.slice(0, -4)).split("_");
  return {
    path,
    locked: {
      name,
      version,
      architecture,
      role: "image",
      repository: "trixie",
      path: file,
      sizeBytes: bytes.length,
      sha256: sha256Hex(bytes),
      source: { name, version },
      requestedBy: ["profile"],
    },
  };
}

/** What stands below a folder, one line a path: kind, permissions, owners by name, target or digest. */
export function describeFolder(root: string): Map<string, string> {
  const names = readNames((path) => readFileSync(join(root, path), "utf8"));
  const lines = new Map<string, string>();
  const walk = (directory: string): void => {
    for (const name of readdirSync(join(root, directory))) {
      const path = `${directory}/${name}`;
      const full = join(root, path);
      const stat = lstatSync(full);
      const attributes = `${(stat.mode & 0o7777).toString(8)} ${names.user(stat.uid)}:${names.group(stat.gid)}`;
      if (stat.isSymbolicLink()) lines.set(path, `link ${normalTarget(readlinkSync(full))}`);
      else if (stat.isDirectory()) {
        lines.set(path, `directory ${attributes}`);
        walk(path);
      } else if (stat.isFile()) lines.set(path, `file ${attributes} ${hashOf(readFileSync(full))}`);
      else lines.set(path, "special");
    }
  };
  walk("");
  return lines;
}

/** The same of a tree. */
export function describeTree(tree: FileTree, readFile: (path: string) => string): Map<string, string> {
  const names = readNames(readFile);
  const lines = new Map<string, string>();
  for (const [path, node] of tree.entries()) {
    const attributes = `${node.mode.toString(8)} ${names.user(node.uid)}:${names.group(node.gid)}`;
    if (path === "/") continue;
    if (node.kind === "symlink") lines.set(path, `link ${normalTarget(node.target)}`);
    else if (node.kind === "directory") lines.set(path, `directory ${attributes}`);
    else if (node.kind === "file") lines.set(path, `file ${attributes} ${node.content.sha256.slice(0, 16)}`);
    else lines.set(path, "special");
  }
  return lines;
}

/** /lib is /usr/lib: some tools write one, some the other. */
function normalTarget(target: string): string {
  return target.replace(/^\/(lib|bin|sbin)\//, "/usr/$1/");
}

function readNames(readFile: (path: string) => string): { user(id: number): string; group(id: number): string } {
  const read = (path: string): Map<string, string> =>
    new Map(
      readFile(path)
        .split("\n")
        .map((line) => line.split(":"))
        .map(([name = "", , id = ""]) => [id, name]),
    );
  const [users, groups] = [read("/etc/passwd"), read("/etc/group")];
  return { user: (id) => users.get(String(id)) ?? `#${id}`, group: (id) => groups.get(String(id)) ?? `#${id}` };
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

function hostMirror(): string {
  const format = "$(REPO_URI) $(RELEASE) $(COMPONENT)";
  const targets = execFileSync("apt-get", ["indextargets", "--format", format], { encoding: "utf8" }).split("\n");
  const main = targets
    .map((line) => line.split(" "))
    .find(([uri = "", , component]) => component === "main" && /\/debian\/?$/.test(uri));
  return main?.[0] ?? "http://ftp.debian.org/debian/";
}
