import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFileSource } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contentOf } from "../content.ts";
import { dumpTree } from "../dump-tree.ts";
import { FileTree } from "../file-tree.ts";
import type { Attributes, TreeNode } from "../tree.ts";
import { readErofsTree } from "./read-tree.ts";
import { type ErofsOptions, writeErofs } from "./writer.ts";

/** How many trees each test writes; a night's run takes more. */
const CASES = Number(process.env["CVM_FUZZ_CASES"] ?? 25);
const CLAMP_SEC = 1_757_635_200;
const OPTIONS = { uuid: "8be4df61-93ca-81d2-aa0d-00e098032b8c", mtimeClampSec: CLAMP_SEC, threads: 1 };
const origin = { kind: "package", name: "random" } as const;

const MODES: readonly (readonly [string, Partial<ErofsOptions>])[] = [
  ["uncompressed", {}],
  ["chunks", { chunkBytes: 4096 }],
  ["lz4", { compression: { algorithm: "lz4", clusterBytes: 4096 } }],
  ["lz4hc", { compression: { algorithm: "lz4hc", level: 3, clusterBytes: 65_536 } }],
  ["zstd", { compression: { algorithm: "zstd", level: 1, clusterBytes: 131_072 } }],
];

const id = fc.oneof(fc.constantFrom(0, 0xffff, 0x1_0000, 0xffff_ffff), fc.nat(2000));
const xattrs = fc
  .uniqueArray(
    fc.tuple(
      fc.tuple(fc.constantFrom("user.", "trusted.", "security."), fc.string({ minLength: 1, maxLength: 8 })),
      fc.uint8Array({ maxLength: 40 }),
    ),
    { maxLength: 3, selector: ([name]) => name.join("") },
  )
  .map((pairs) => new Map(pairs.map(([name, value]) => [name.join("").replaceAll("\0", "-"), value] as const)));
const attributes: fc.Arbitrary<Attributes> = fc.record({
  mode: fc.nat(0o7777),
  uid: id,
  gid: id,
  mtimeSec: fc.oneof(fc.constant(CLAMP_SEC), fc.nat(CLAMP_SEC)),
  xattrs,
  origin: fc.constant(origin),
});
/** Pieces of text, of noise and of zeros, so that some of a file shrinks. */
const bytes = fc
  .array(
    fc.oneof(
      fc.tuple(fc.string({ minLength: 1, maxLength: 30 }), fc.nat(400)).map(([text, times]) => text.repeat(times)),
      fc.uint8Array({ maxLength: 6000 }),
      fc.constantFrom(4096, 8192, 100).map((sizeBytes) => Buffer.alloc(sizeBytes)),
    ),
    { maxLength: 5 },
  )
  .map((parts) => Buffer.concat(parts.map((part) => Buffer.from(part as string))));
const kind = fc.oneof(
  { weight: 4, arbitrary: bytes.map((data) => ({ kind: "file" as const, content: contentOf(data) })) },
  fc
    .string({ minLength: 1, maxLength: 200, unit: "grapheme" })
    .map((target) => ({ kind: "symlink" as const, target: target.replaceAll("\0", "/") })),
  fc.record({
    kind: fc.constantFrom("char" as const, "block" as const),
    major: fc.nat(4095),
    minor: fc.nat(1_048_575),
  }),
  fc.constant({ kind: "fifo" as const }),
  { weight: 2, arbitrary: fc.constant({ kind: "directory" as const }) },
);
const node = fc.tuple(attributes, kind).map(([own, rest]): TreeNode => ({ ...own, ...rest }));
const name = fc
  .string({ minLength: 1, maxLength: 40, unit: "grapheme" })
  .map((text) => text.replaceAll(/[/\0]/g, "-"))
  .filter((text) => text !== "." && text !== "..");

/** Nodes go into directories that came before; some are put into the tree a second time, as hard links. */
const tree = fc
  .tuple(attributes, fc.array(fc.tuple(node, name, fc.nat(), fc.boolean()), { maxLength: 25 }))
  .map(([root, additions]) => {
    const made = new FileTree(root);
    const directories = [""];
    for (const [added, baseName, where, isLinked] of additions) {
      const path = `${directories[where % directories.length]}/${baseName}`;
      if (made.has(path)) continue;
      made.set(path, added);
      if (added.kind === "directory") directories.push(path);
      else if (isLinked && !made.has(`/link-${where}`)) made.set(`/link-${where}`, added);
    }
    return made;
  });

/** What `dumpTree` leaves out: times, and values of attributes. */
function details(of: FileTree): Record<string, unknown> {
  return Object.fromEntries(
    [...of.entries()].map(([path, { mtimeSec, xattrs: found }]) => {
      const values = [...(found ?? [])].map(([key, value]) => [key, Buffer.from(value).toString("hex")] as const);
      return [path, { mtimeSec, xattrs: Object.fromEntries(values) }];
    }),
  );
}

describe("erofs", { timeout: 30_000 + CASES * 100 }, () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "cvm-erofs-"))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(MODES)("reads back whatever tree was written: %s", async (_name, options) => {
    await fc.assert(
      fc.asyncProperty(tree, async (written) => {
        const output = join(folder, "image");
        await writeErofs(written, { ...OPTIONS, ...options, output });
        using source = openFileSource(output);
        const read = readErofsTree(source, { contentFolder: folder });
        expect(dumpTree(read)).toEqual(dumpTree(written));
        expect(details(read)).toEqual(details(written));
        rmSync(join(folder, "contents"), { force: true });
      }),
      { seed: 4, numRuns: CASES },
    );
  });
});
