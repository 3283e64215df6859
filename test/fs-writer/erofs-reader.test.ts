import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openFileSource } from "@cvm-build/bytes";
import { type ErofsImage, openErofs, readErofsTree, walkErofs } from "@cvm-build/fs-writer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { debianRoot } from "../support/trixie-root.ts";
import { EROFS_MODES, type ErofsMode } from "./erofs-modes.ts";
import { makeSource } from "./erofs-source.ts";
import { type Listed, listFolder, listTree } from "./listed-tree.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const hasPeers = requirePeers("mkfs.erofs", "python3");
const trixie = hasPeers ? debianRoot("trixie", ["erofs-utils"]) : undefined;
const EPOCH_SEC = 1_700_000_000;

/** The commands that make images, by the version that bookworm and trixie have. */
const MKFS: Record<ErofsMode["versions"][number], readonly string[]> = {
  1.5: ["mkfs.erofs"],
  1.8: trixie?.command("usr/bin/mkfs.erofs") ?? [],
};
const cases = EROFS_MODES.flatMap((mode) =>
  mode.versions.map((version) => ({ ...mode, version, name: `${version} ${mode.args.join(" ")}` })),
);

describe.skipIf(!hasPeers || !trixie)("readErofsTree", () => {
  let folder: { path: string } & Disposable;
  let expected: Record<string, Listed>;

  beforeAll(() => {
    folder = temporaryFolder();
    mkdirSync(join(folder.path, "source"));
    makeSource(join(folder.path, "source"));
    expected = listFolder(join(folder.path, "source"));
    writeFileSync(join(folder.path, "hints"), "65536 0 shared\n131072 1 bin\n4096 1 mixed\n");
  });
  afterAll(() => folder?.[Symbol.dispose]());

  /** Says whether the image was made. Whatever cannot be made fails under CI. */
  function make(version: ErofsMode["versions"][number], args: readonly string[]): boolean {
    const [program = "", ...rest] = MKFS[version];
    const filled = args.map((arg) => arg.replace("HINTS", join(folder.path, "hints")));
    rmSync(imagePath(), { force: true });
    const { status, stderr } = spawnSync(program, [
      ...rest,
      "--quiet",
      ...filled,
      imagePath(),
      join(folder.path, "source"),
    ]);
    if (status !== 0 && process.env["CI"]) throw new Error(`cannot make an image: ${stderr}`);
    return status === 0;
  }
  const imagePath = (): string => join(folder.path, "image.erofs");

  it.for(cases)("reads what mkfs.erofs made: $name", (mode, { skip }) => {
    if (!make(mode.version, mode.args)) skip();
    using source = openFileSource(imagePath());
    using contents = temporaryFolder();
    const tree = readErofsTree(source, { contentFolder: contents.path });
    const adjusted = Object.entries(expected).map(([path, listed]) => [path, { ...listed, ...mode.adjust?.(listed) }]);
    expect(listTree(tree)).toEqual(Object.fromEntries(adjusted));
    const image = openErofs(source);
    // Where a block has room for no more than the superblock, mkfs.erofs leaves the checksum out.
    expect(image.facts.hasChecksum).toBe(image.facts.blockBytes > 1024);
    expect(runKinds(image)).toEqual(expect.arrayContaining([...(mode.kinds ?? [])]));
  });

  it("tells what the superblock says", () => {
    const label = ["-Lvolume label", "-U8be4df61-93ca-41d2-aa0d-00e098032b8c", `-T${EPOCH_SEC}`, "-zzstd", "-C65536"];
    expect(make("1.8", label)).toBe(true);
    using source = openFileSource(imagePath());
    const { facts } = openErofs(source);
    expect(facts).toEqual({
      uuid: "8be4df61-93ca-41d2-aa0d-00e098032b8c",
      label: "volume label",
      blockBytes: 4096,
      blockCount: source.sizeBytes / 4096,
      inodeCount: BigInt(Object.keys(expected).length - 2),
      features: ["superblockChecksum", "mtime", "xattrFilter", "zeroPadding", "comprCfgs", "bigPcluster"],
      algorithms: ["zstd"],
      epochSec: EPOCH_SEC,
      buildTimeSec: EPOCH_SEC,
      hasChecksum: true,
    });
  });

  it("refuses an image whose data is on another device", () => {
    const blob = join(folder.path, "blob");
    writeFileSync(blob, "");
    expect(make("1.8", ["--chunksize=4096", `--blobdev=${blob}`])).toBe(true);
    using source = openFileSource(imagePath());
    expect(() => openErofs(source)).toThrow("expected an image that holds all of its data");
  });
});

/** What kinds of runs and what algorithms an image has. */
function runKinds(image: ErofsImage): string[] {
  const kinds = new Set<string>();
  for (const { inode } of walkErofs(image)) {
    kinds.add(inode.layout);
    if (inode.kind !== "file") continue;
    for (const run of image.runs(inode)) {
      kinds.add(run.kind);
      if (run.kind !== "cluster") continue;
      kinds.add(run.algorithm);
      if (run.isPartial) kinds.add("partial");
      if (run.physicalSizeBytes > image.facts.blockBytes) kinds.add("big");
      if (run.physicalSizeBytes % image.facts.blockBytes !== 0) kinds.add("inline");
    }
  }
  return [...kinds];
}
