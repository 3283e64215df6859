import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type FileTree, writeErofs } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { debianRoot } from "../support/trixie-root.ts";
import { compressibleTree, EROFS_CLAMP_SEC, EROFS_VARIANTS, type ErofsVariant } from "./erofs-variants.ts";
import { type Listed, listFolder, listTree } from "./listed-tree.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const UUID = "8be4df61-93ca-81d2-aa0d-00e098032b8c";
const hasPeers = requirePeers("fsck.erofs", "dump.erofs", "python3");
const trixie = hasPeers ? debianRoot("trixie", ["erofs-utils"]) : undefined;

async function writeVariant(variant: ErofsVariant, folder: string): Promise<{ tree: FileTree; image: string }> {
  const image = join(folder, "image.erofs");
  const tree = variant.tree(folder);
  const options = { uuid: UUID, mtimeClampSec: EROFS_CLAMP_SEC, threads: 2, output: image, ...variant.options };
  await writeErofs(tree, options);
  return { tree, image };
}

function expectedOf(tree: FileTree): Record<string, Listed> {
  return listTree(tree, { mtimeClampSec: EROFS_CLAMP_SEC });
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

/** As `mount`; undefined where the kernel refuses the image, as one does that lacks its algorithm. */
function mountUnlessUnknown(image: string, folder: string): ({ path: string } & Disposable) | undefined {
  try {
    return mount(image, folder);
  } catch {
    return undefined;
  }
}

async function canMount(): Promise<boolean> {
  using folder = temporaryFolder();
  const { image } = await writeVariant(EROFS_VARIANTS[0] as ErofsVariant, folder.path);
  const mounted = mountUnlessUnknown(image, folder.path);
  mounted?.[Symbol.dispose]();
  return mounted !== undefined;
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

  it.skipIf(!isMountable).each(["lz4", "lz4hc", "zstd"] as const)(
    "is read by the kernel as it was, compressed with %s; by fsck.erofs, where the kernel cannot",
    async (algorithm) => {
      using folder = temporaryFolder();
      const options = { compression: { algorithm } };
      const { tree, image } = await writeVariant({ name: algorithm, tree: compressibleTree, options }, folder.path);
      using mounted = mountUnlessUnknown(image, folder.path);
      if (mounted) {
        expect(listFolder(mounted.path)).toEqual(expectedOf(tree));
        return;
      }
      const extracted = join(folder.path, "extracted");
      trixie?.run("usr/bin/fsck.erofs", [`--extract=${extracted}`, "--xattrs", image]);
      expect(extractedOf(listFolder(extracted))).toEqual(extractedOf(expectedOf(tree)));
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
