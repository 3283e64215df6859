import { describe, expect, it } from "vitest";
import type { TreeNode } from "../../tree.ts";
import { xattrCountOf, XattrTable } from "./xattrs.ts";

const origin = { kind: "package", name: "sample" } as const;
const node = (xattrs: Record<string, string>): TreeNode => ({
  ...{ kind: "fifo", mode: 0o600, uid: 0, gid: 0, mtimeSec: 0, origin },
  xattrs: new Map(Object.entries(xattrs).map(([name, value]) => [name, Buffer.from(value)])),
});
const table = (...nodes: TreeNode[]): XattrTable =>
  new XattrTable(nodes.map((each) => ({ path: "/node", node: each })));

const packed = (...parts: string[]): string => parts.join("").replaceAll(" ", "");

describe("XattrTable", () => {
  it("encodes entries behind a header, by prefix and name, padded to 4 bytes", () => {
    const own = node({ "security.ima": "x", "user.b": "22", "user.a": "1" });
    const body = table(own).bodyOf("/node", own);
    // Filter 0, no shared ones; then length of name, prefix, size of value, name, value.
    const entries = ["01010100 6131 0000", "01010200 623232 00", "03060100 696d61 78"];
    expect(body?.toString("hex")).toBe(packed("000000000000000000000000", ...entries));
    expect(xattrCountOf(body)).toBe(1 + 6);
  });

  it("shares what three nodes have, and numbers it in units of 4 bytes", () => {
    const nodes = ["1", "2", "3"].map((value) => node({ "user.own": value, "user.a": "same", "user.b": "same" }));
    const all = table(...nodes);
    expect(all.shared.toString("latin1")).toBe("\x01\x01\x04\0asame\0\0\0\x01\x01\x04\0bsame\0\0\0");
    const body = all.bodyOf("/node", nodes[0] as TreeNode);
    expect(body?.toString("hex")).toBe(
      packed("000000000200000000000000", "00000000", "03000000", "03010100", "6f776e31"),
    );
  });

  it("has nothing for nodes without attributes", () => {
    expect(table(node({})).bodyOf("/node", node({}))).toBeUndefined();
    expect(xattrCountOf(undefined)).toBe(0);
  });

  it.each([
    ["btrfs.compression", "zlib", "below user."],
    ["user.", "", "below user."],
    ["system.posix_acl_access.more", "", "below user."],
    [`user.${"n".repeat(256)}`, "", "below user."],
    ["user.large", "v".repeat(65_536), "65535 bytes"],
  ])("refuses %.40s", (name, value, expected) => {
    expect(() => table(node({ [name]: value }))).toThrow(expected);
  });

  it("refuses more than an inode can count", () => {
    const many = node(
      Object.fromEntries(Array.from({ length: 5 }, (_, index) => [`user.${index}`, "v".repeat(60_000)])),
    );
    expect(() => table(many).bodyOf("/node", many)).toThrow("at most 262148 bytes");
  });
});
