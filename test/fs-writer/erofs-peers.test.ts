import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { FileTree, type TreeNode, writeErofs } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { debianRoot } from "../support/trixie-root.ts";
import { EROFS_CLAMP_SEC, EROFS_VARIANTS, type ErofsVariant } from "./erofs-variants.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const UUID = "8be4df61-93ca-81d2-aa0d-00e098032b8c";
const LIST_FOLDER = join(import.meta.dirname, "list-folder.py");
const hasPeers = requirePeers("fsck.erofs", "dump.erofs", "python3");
const trixie = hasPeers ? debianRoot("trixie", ["erofs-utils"]) : undefined;

/** A node as `list-folder.py` tells it. */
interface Listed {
  mode: number;
  owner: string;
  mtimeSec: number;
  links: number;
  xattrs: Record<string, string>;
  data?: string;
}

async function writeVariant(variant: ErofsVariant, folder: string): Promise<{ tree: FileTree; image: string }> {
  const image = join(folder, "image.erofs");
  const tree = variant.tree(folder);
  const options = { uuid: UUID, mtimeClampSec: EROFS_CLAMP_SEC, threads: 2, output: image, ...variant.options };
  await writeErofs(tree, options);
  return { tree, image };
}

/** What a tree is on a disk. Links of directories are the number of their subdirectories and two. */
function expectedOf(tree: FileTree): Record<string, Listed> {
  const links = new Map<TreeNode, number>();
  for (const [, node] of tree.entries()) links.set(node, (links.get(node) ?? 0) + 1);
  return Object.fromEntries(
    [...tree.entries()].map(([path, node]) => {
      const below = tree.list(path).map((name) => tree.get(`${path === "/" ? "" : path}/${name}`));
      const directories = below.filter((each) => each?.kind === "directory").length;
      const listed: Listed = {
        mode: TYPE_BITS[node.kind] | (node.kind === "symlink" ? 0o777 : node.mode),
        owner: `${node.uid}:${node.gid}`,
        mtimeSec: Math.min(node.mtimeSec, EROFS_CLAMP_SEC),
        links: node.kind === "directory" ? 2 + directories : (links.get(node) ?? 0),
        xattrs: Object.fromEntries(
          [...(node.xattrs ?? [])].map(([name, value]) => [name, Buffer.from(value).toString("hex")]),
        ),
      };
      if (node.kind === "file") listed.data = `${node.content.sizeBytes} ${node.content.sha256}`;
      if (node.kind === "symlink") listed.data = node.target;
      if (node.kind === "char" || node.kind === "block") listed.data = `${node.major}:${node.minor}`;
      return [path, listed];
    }),
  );
}

const TYPE_BITS = {
  fifo: 0o010000,
  char: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
} as const satisfies Record<TreeNode["kind"], number>;

function listFolder(folder: string): Record<string, Listed> {
  return JSON.parse(execFileSync("python3", [LIST_FOLDER, folder], { encoding: "utf8", maxBuffer: 1 << 28 }));
}

/** What `fsck.erofs --extract` keeps: hard links become files of their own, and owners are set after capabilities. */
function extractedOf(listed: Record<string, Listed>): Record<string, Listed> {
  return mapValues(listed, ({ xattrs, ...each }) => {
    const { "security.capability": _capability, ...kept } = xattrs;
    return { ...each, links: 0, xattrs: kept };
  });
}

/** What that of erofs-utils 1.5 keeps: it sets owners after modes, and knows no attributes. */
function extractedByOlder(listed: Record<string, Listed>): Record<string, Listed> {
  return mapValues(listed, (each) => ({ ...each, links: 0, mode: each.mode & ~0o6000, xattrs: {} }));
}

function mapValues<Value>(record: Record<string, Value>, change: (value: Value) => Value): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

/** Mounts an image, which root may unless a sandbox keeps it from that. */
function mount(image: string, folder: string): { path: string } & Disposable {
  const path = join(folder, "mount");
  mkdirSync(path);
  execFileSync("mount", ["-t", "erofs", "-o", "loop,ro", image, path], { stdio: "pipe" });
  return { path, [Symbol.dispose]: () => void execFileSync("umount", [path]) };
}

async function canMount(): Promise<boolean> {
  using folder = temporaryFolder();
  try {
    const { image } = await writeVariant(EROFS_VARIANTS[0] as ErofsVariant, folder.path);
    mount(image, folder.path)[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}

const isRoot = process.getuid?.() === 0;
const isMountable = isRoot && (await canMount());

describe.skipIf(!hasPeers || !trixie)("erofs", { timeout: 120_000 }, () => {
  it.each(EROFS_VARIANTS)("passes fsck.erofs and dump.erofs of bookworm and trixie: $name", async (variant) => {
    using folder = temporaryFolder();
    const { image } = await writeVariant(variant, folder.path);
    execFileSync("fsck.erofs", [image], { stdio: "pipe" });
    trixie?.run("usr/bin/fsck.erofs", [image]);
    const facts = execFileSync("dump.erofs", ["-s", image], { encoding: "utf8" });
    expect(facts).toContain(UUID);
    expect(facts).toContain(`Filesystem blocks:                            ${statSync(image).size / 4096}\n`);
    expect(trixie?.run("usr/bin/dump.erofs", ["-s", image])).toContain(UUID);
    if (variant.name.startsWith("a sparse")) expect(statSync(image).size).toBeLessThan(64 << 10);
  });

  it.skipIf(!isRoot).each(EROFS_VARIANTS.filter(({ isLarge, isForKernel }) => !isLarge && !isForKernel))(
    "is unpacked by fsck.erofs as it was: $name",
    async (variant) => {
      using folder = temporaryFolder();
      const { tree, image } = await writeVariant(variant, folder.path);
      const [older, newer] = [join(folder.path, "older"), join(folder.path, "newer")];
      trixie?.run("usr/bin/fsck.erofs", [`--extract=${newer}`, "--xattrs", image]);
      expect(extractedOf(listFolder(newer))).toEqual(extractedOf(expectedOf(tree)));
      // That of 1.5 leaves out all holes.
      if (variant.options?.chunkBytes !== undefined) return;
      execFileSync("fsck.erofs", [`--extract=${older}`, image], { stdio: "pipe" });
      expect(extractedByOlder(listFolder(older))).toEqual(extractedByOlder(expectedOf(tree)));
    },
  );

  it.skipIf(!isMountable).each(EROFS_VARIANTS.filter(({ isLarge }) => !isLarge))(
    "is mounted by the kernel as it was: $name",
    async (variant) => {
      using folder = temporaryFolder();
      const { tree, image } = await writeVariant(variant, folder.path);
      using mounted = mount(image, folder.path);
      expect(listFolder(mounted.path)).toEqual(expectedOf(tree));
    },
  );

  it.skipIf(!isMountable)("has 100,000 names in a directory that the kernel finds", async () => {
    using folder = temporaryFolder();
    const variant = EROFS_VARIANTS.find(({ name }) => name.startsWith("100,000")) as ErofsVariant;
    const { tree, image } = await writeVariant(variant, folder.path);
    using mounted = mount(image, folder.path);
    const names = readdirSync(join(mounted.path, "many"));
    expect(names.toSorted()).toEqual(tree.list("/many").toSorted());
    for (const name of ["name-0", "name-99999", "name-5", "name-77777"]) {
      expect(statSync(join(mounted.path, "many", name)).nlink).toBe(100_000);
    }
  });
});
