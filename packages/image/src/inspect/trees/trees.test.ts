import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, FormatError } from "@cvm-build/bytes";
import { contentOf, encodeCpio, FileTree, layOutCpio, LazyContent, openErofs, writeErofs } from "@cvm-build/fs-writer";
import { afterAll, expect, it } from "vitest";
import { Workspace } from "../workspace.ts";
import { treeOfErofs } from "./erofs-tree.ts";
import { BoundedTree, putFound, ROOT_ATTRIBUTES } from "./found-tree.ts";
import { treeOfInitrd } from "./initrd-tree.ts";

const folder = mkdtempSync(join(tmpdir(), "cvm-trees-"));
afterAll(() => rmSync(folder, { recursive: true }));
const MTIME = { mtimeClampSec: 1_700_000_000 };
const SLOT_BYTES = 32;
const BLOCK_BYTES = 4096;

/** An erofs image with a file that is a hole of that size. */
async function erofsWithHole(sizeBytes: bigint): Promise<Buffer> {
  const tree = new FileTree(ROOT_ATTRIBUTES);
  // Only inodes with a time of their own have 64 bits for a size.
  tree.set("/directory", { ...ROOT_ATTRIBUTES, kind: "directory" });
  tree.set("/hole", { ...ROOT_ATTRIBUTES, kind: "file", mtimeSec: 5, content: contentOf("") });
  const output = join(folder, "erofs");
  await writeErofs(tree, { ...MTIME, output, uuid: "0e1f5a3c-5b0e-4f6b-9a2d-0c3b1f2a7d11", threads: 1 });
  const bytes = readFileSync(output);
  const image = openErofs(bytesSource(bytes));
  const hole = [...image.entries(image.root, { parentNid: image.root.nid })].find(({ name }) => name === "hole");
  const metaBlock = bytes.readUInt32LE(1024 + 40);
  bytes.writeBigUInt64LE(sizeBytes, metaBlock * BLOCK_BYTES + hole!.nid * SLOT_BYTES + 8);
  return bytes;
}

it("lists a file larger than what may be read, and does not read it", async () => {
  const { tree } = treeOfErofs(bytesSource(await erofsWithHole(2n ** 50n)));
  const node = tree.get("/hole");
  if (node?.kind !== "file") throw new Error("expected a file");
  expect(node.content.sizeBytes).toBe(2 ** 50);
  expect(() => node.content.sha256).toThrow(FormatError);
});

it("reads a hole as zeros", async () => {
  const { tree } = treeOfErofs(bytesSource(await erofsWithHole(3n << 16n)));
  const node = tree.get("/hole");
  expect(node).toMatchObject({ content: { sha256: contentOf(Buffer.alloc(3 << 16)).sha256 } });
});

it("keeps only so many contents of an initrd in memory", () => {
  const bytes = Buffer.alloc(1 << 16, "a");
  const tree = new FileTree(ROOT_ATTRIBUTES);
  const count = 1100;
  const content = contentOf(bytes);
  for (let index = 0; index < count; index++) tree.set(`/${index}`, { ...ROOT_ATTRIBUTES, kind: "file", content });
  const archive = bytesSource(
    Buffer.concat([...encodeCpio(layOutCpio(tree.entries(), MTIME))].map((part) => Buffer.from(part))),
  );
  using workspace = new Workspace(folder);
  const contents = [...treeOfInitrd(archive, workspace).tree.entries()].flatMap(([, node]) =>
    node.kind === "file" && node.content instanceof LazyContent ? [node.content] : [],
  );
  expect(contents).toHaveLength(count);
  expect(contents.filter(({ source }) => source === undefined)).toHaveLength((1 << 26) / bytes.length);
  expect(contents.at(-1)?.sha256).toBe(content.sha256);
});

it("refuses a tree without end", () => {
  const tree = new BoundedTree();
  const path = `/${"x".repeat(4000)}`;
  const node = { ...ROOT_ATTRIBUTES, kind: "fifo" } as const;
  expect(() => {
    for (let times = 0; times < 300_000; times++) putFound(tree, path, node);
  }).toThrow("cannot decode image: expected a tree no larger than the limit allows");
});
