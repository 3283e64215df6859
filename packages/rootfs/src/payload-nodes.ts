import { assert, FormatError } from "@cvm-build/bytes";
import type { Attributes, Origin, TreeNode } from "@cvm-build/fs-writer";
import type { Payload, PayloadEntry } from "./packages/payload.ts";

/**
 * The entries of a payload as tree nodes, in the archive's order. A hard link yields the node of the entry that it
 * leads to, one object under both paths.
 * @throws FormatError where a hard link leads to nothing in the same archive
 */
export function* payloadNodes({ index, tarPath }: Payload, origin: Origin): Generator<[path: string, node: TreeNode]> {
  const byPath = new Map(index.entries.map((entry) => [entry.path, entry]));
  const nodes = new Map<PayloadEntry, TreeNode>();
  for (const entry of index.entries) {
    const source = entry.kind === "hardlink" ? byPath.get(entry.target ?? "") : entry;
    if (!source || source.kind === "hardlink" || (entry !== source && source.kind === "directory")) {
      const expected = `expected the hard link ${JSON.stringify(entry.path)} to lead to a file of the archive`;
      throw new FormatError({ record: origin.name }, `${expected}, got ${JSON.stringify(entry.target ?? "")}`);
    }
    const node = nodes.get(source) ?? nodeOf(source, { origin, tarPath });
    nodes.set(source, node);
    yield [entry.path, node];
  }
}

/** A tree node for an archive entry that is no hard link. */
function nodeOf(entry: PayloadEntry, { origin, tarPath }: { origin: Origin; tarPath: string }): TreeNode {
  const { mode, uid, gid, mtimeSec } = entry;
  const attributes: Attributes = { mode, uid, gid, mtimeSec, origin };
  if (entry.xattrs) {
    const values = Object.entries(entry.xattrs).map(([name, value]) => [name, Buffer.from(value, "base64")] as const);
    attributes.xattrs = new Map(values);
  }
  switch (entry.kind) {
    case "file": {
      const { sizeBytes = 0, offsetBytes = 0, sha256 } = entry;
      assert(sha256 !== undefined, `${entry.path} of a payload index has no digest`);
      const content = { sizeBytes, sha256, file: { path: tarPath, offsetBytes } };
      return { ...attributes, kind: "file", content };
    }
    case "symlink":
      return { ...attributes, kind: "symlink", target: entry.target ?? "" };
    case "char":
    case "block":
      return { ...attributes, kind: entry.kind, major: entry.major ?? 0, minor: entry.minor ?? 0 };
    case "directory":
    case "fifo":
      return { ...attributes, kind: entry.kind };
    case "hardlink":
      assert(false, "a hard link has no node of its own");
  }
}
