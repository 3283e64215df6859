import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  contentOf,
  encodeMtree,
  type FileNode,
  FileTree,
  readTar,
  writeArchive,
  writeDirectory,
} from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { debianRoot } from "../support/trixie-root.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const CLAMP_SEC = 1_757_635_200;
const LONG = `/usr/share/${"Főtanúsítvány-".repeat(12)}.crt`;
const origin = { kind: "package", name: "sample" } as const;
const attributes = { uid: 0, gid: 0, mtimeSec: 1_700_000_000, origin };
// A version 2 capability set: cap_net_raw, effective and permitted. @see capability.h, struct vfs_cap_data
const CAPABILITY = Buffer.from("0100000200200000000000000000000000000000", "hex");
const file = (text: string, mode = 0o644): FileNode => ({
  ...attributes,
  kind: "file",
  mode,
  content: contentOf(text),
});

function sampleTree(): FileTree {
  const tree = new FileTree({ ...attributes, mode: 0o755 });
  for (const path of ["/dev", "/usr/bin", "/usr/share"]) tree.makeDirectories(path, origin);
  tree.set("/tmp", { ...attributes, kind: "directory", mode: 0o1777 });
  const linked = file("linked", 0o755);
  for (const path of ["/usr/bin/perl", "/usr/bin/pl"]) tree.set(path, linked);
  tree.set("/usr/bin/su", { ...file("su", 0o4755), gid: 42, mtimeSec: CLAMP_SEC + 1000 });
  tree.set("/usr/bin/ping", { ...file("ping", 0o755), xattrs: new Map([["security.capability", CAPABILITY]]) });
  tree.set("/usr/bin/a b#c", file("strange"));
  tree.set("/bin", { ...attributes, kind: "symlink", mode: 0o777, target: "usr/bin" });
  tree.set(LONG, file("certificate"));
  tree.set("/dev/null", { ...attributes, kind: "char", mode: 0o666, major: 1, minor: 3 });
  tree.set("/dev/initctl", { ...attributes, kind: "fifo", mode: 0o600 });
  return tree;
}

const environment = { ...process.env, LC_ALL: "C.UTF-8", TZ: "UTC" };
const run = (program: string, args: readonly string[], options: { cwd?: string; input?: Buffer } = {}): string =>
  execFileSync(program, args, { env: environment, encoding: "utf8", ...options });

/** What the peer has put onto the disk, as the tree says it. */
function expectExtracted(tree: FileTree, folder: string, { timeless = [] as string[] } = {}): void {
  for (const [path, node] of tree.entries()) {
    const stat = lstatSync(join(folder, path));
    expect([path, stat.uid, stat.gid]).toEqual([path, node.uid, node.gid]);
    const time = [path, stat.mtimeMs / 1000];
    if (!timeless.includes(node.kind)) expect(time).toEqual([path, Math.min(node.mtimeSec, CLAMP_SEC)]);
    if (node.kind === "symlink") expect(readlinkSync(join(folder, path))).toBe(node.target);
    else expect([path, stat.mode & 0o7777]).toEqual([path, node.mode]);
    if (node.kind === "file") expect(readFileSync(join(folder, path))).toEqual(Buffer.from(contentBytes(node)));
    if (node.kind === "char") expect(stat.isCharacterDevice()).toBe(true);
    if (node.kind === "fifo") expect(stat.isFIFO()).toBe(true);
  }
  expect(lstatSync(join(folder, "usr/bin/perl")).ino).toBe(lstatSync(join(folder, "usr/bin/pl")).ino);
}

const contentBytes = ({ content }: FileNode) => ("bytes" in content ? content.bytes : Buffer.alloc(0));
const isRoot = process.getuid?.() === 0;

describe.skipIf(!requirePeers("tar", "cpio", "zstd", "gzip") || !isRoot)("a tree as one archive", () => {
  const tree = sampleTree();

  it.each([["none"], ["gzip"], ["zstd"]] as const)(
    "tar, compressed with %s: GNU tar extracts the tree",
    async (algorithm) => {
      using folder = temporaryFolder();
      const output = join(folder.path, "tree.tar");
      const compression = algorithm === "none" ? { algorithm } : { algorithm, level: 3 };
      const written = await writeArchive(tree, { format: "tar", output, compression, mtimeClampSec: CLAMP_SEC });
      expect(written.losses).toEqual([]);
      expect(written.sizeBytes).toBe(lstatSync(output).size);
      const names = run("tar", ["--list", "--quoting-style=literal", "-af", output]).trimEnd().split("\n");
      const expected = [...tree.entries()].map(([path, node]) =>
        path === "/" ? "./" : `.${path}${node.kind === "directory" ? "/" : ""}`,
      );
      expect(names).toEqual(expected);
      const target = join(folder.path, "out");
      mkdirSync(target);
      run("tar", ["--xattrs", "--xattrs-include=*", "-xpf", output, "-C", target]);
      expectExtracted(tree, target);
      const capability = run("python3", ["-c", GET_XATTR, join(target, "usr/bin/ping")]);
      expect(capability.trim()).toBe(CAPABILITY.toString("hex"));
    },
  );

  it("cpio: GNU cpio extracts the tree, and what it cannot carry is said", async () => {
    using folder = temporaryFolder();
    const output = join(folder.path, "tree.cpio.zst");
    const compression = { algorithm: "zstd", level: 3 } as const;
    const written = await writeArchive(tree, { format: "cpio", output, compression, mtimeClampSec: CLAMP_SEC });
    expect(written.losses).toEqual([{ path: "/usr/bin/ping", xattr: "security.capability" }]);
    const archive = execFileSync("zstd", ["-dc", output]);
    expect(archive.length).toBe(written.uncompressedSizeBytes);
    const names = run("cpio", ["-t", "--quiet"], { input: archive }).trimEnd().split("\n");
    expect(names).toEqual([...tree.entries()].map(([path]) => (path === "/" ? "." : path.slice(1))));
    const target = join(folder.path, "out");
    mkdirSync(target);
    run("cpio", ["-idm", "--quiet"], { input: archive, cwd: target });
    // GNU cpio gives links no time, and directories theirs before their files.
    expectExtracted(tree, target, { timeless: ["directory", "symlink"] });
  });
});

/** What an archive says of its entries, but for extended attributes, which mtree has no word for. */
async function entriesOf(path: string) {
  const entries: object[] = [];
  await readTar(
    [readFileSync(path)],
    ({ name, type, mode, uid, gid, mtimeSec, linkname, devmajor, devminor, sha256 }) =>
      entries.push({
        name: name.replace(/\/$/, ""),
        type,
        mode,
        uid,
        gid,
        mtimeSec,
        linkname,
        devmajor,
        devminor,
        sha256,
      }),
  );
  return entries;
}

const GET_XATTR = "import os,sys; print(os.getxattr(sys.argv[1], 'security.capability').hex())";
const libarchive = debianRoot("trixie", ["libarchive-tools"]);

describe.skipIf(!libarchive)("a tree as a folder with its mtree", () => {
  it("bsdtar makes of the specification the archive that is written directly", async () => {
    using folder = temporaryFolder();
    const tree = sampleTree();
    const output = join(folder.path, "tree");
    const { missing } = writeDirectory(tree, { output, mtimeClampSec: CLAMP_SEC });
    expect(missing).toEqual(["/dev/initctl", "/dev/null"]);
    writeFileSync(join(folder.path, "tree.mtree"), [...encodeMtree(tree, { mtimeClampSec: CLAMP_SEC })].join(""));
    const [loader, ...args] = libarchive!.command("usr/bin/bsdtar");
    const remade = join(folder.path, "remade.tar");
    execFileSync(loader, [...args, "-cf", remade, "@../tree.mtree"], { cwd: output, env: environment });
    const archive = join(folder.path, "tree.tar");
    const compression = { algorithm: "none" } as const;
    await writeArchive(tree, { format: "tar", output: archive, compression, mtimeClampSec: CLAMP_SEC });
    const [theirs, ours] = [await entriesOf(remade), await entriesOf(archive)];
    expect(theirs).toEqual(ours);
    expect(theirs).toHaveLength(tree.size);
  });
});
