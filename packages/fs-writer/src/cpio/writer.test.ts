import { bytesSource, CvmError, sha256Hex } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { contentOf } from "../content.ts";
import type { TreeNode } from "../tree.ts";
import { dumpCpio } from "./dump.ts";
import { CLAMP_SEC, sampleEntries, sampleTree } from "./sample.fixture.ts";
import { cpioSizeBytes, encodeCpio, layOutCpio, type PathAndNode, xattrLosses } from "./writer.ts";

const attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSec: 0, origin: { kind: "package", name: "x" } } as const;
const file: TreeNode = { ...attributes, kind: "file", content: contentOf("data") };
const encode = (entries: Iterable<PathAndNode>): Buffer =>
  Buffer.concat([...encodeCpio(layOutCpio(entries, { mtimeClampSec: CLAMP_SEC }))]);

describe("cpio writer", () => {
  it("writes a tree", () => {
    const bytes = encode(sampleTree().entries());
    expect(dumpCpio(bytesSource(bytes))).toBe(`\
directory 0755 0:0 @1700000000 links=2 0 .
symlink 0777 0:0 @1700000000 links=1 7 bin -> usr/bin
directory 0755 0:0 @1700000000 links=2 0 dev
char 0600 0:0 @1700000000 links=1 5:1 dev/console
fifo 0600 0:0 @1700000000 links=1 0 dev/initctl
block 0660 0:6 @1700000000 links=1 254:0 dev/vda
directory 0755 0:0 @1700000000 links=2 0 etc
file 0644 0:0 @1700000000 links=1 0 etc/empty
file 0644 0:0 @1757635200 links=1 10 etc/hostname
file 0640 0:42 @0 links=1 9 etc/shadow
directory 1777 0:0 @1700000000 links=2 0 tmp
directory 0755 0:0 @1700000000 links=2 0 usr
directory 0755 0:0 @1700000000 links=2 0 usr/bin
file 0755 0:0 @1700000000 links=2 0 usr/bin/perl
file 0755 0:0 @1700000000 links=2 11 usr/bin/perl5.40
file 0755 0:0 @1700000000 links=1 4 usr/bin/ping
directory 0755 0:0 @1700000000 links=2 0 usr/share
file 0644 0:0 @1700000000 links=1 12 usr/share/NetLock_Főtanúsítvány.crt
`);
    expect(sha256Hex(bytes)).toBe("26f0f4a4a29c6af2720f9397b4f2a5c52b1a5005e20c6275f20282b0b5cb3cac");
    expect(bytes.length).toBe(cpioSizeBytes(layOutCpio(sampleTree().entries(), { mtimeClampSec: CLAMP_SEC })));
  });

  it("gives the same bytes whatever the order in which the tree was filled", () => {
    const forwards = encode(sampleTree().entries());
    const backwards = encode(sampleTree(sampleEntries().reverse()).entries());
    expect(backwards.equals(forwards)).toBe(true);
  });

  it("names every extended attribute that is lost", () => {
    expect(xattrLosses(sampleTree().entries())).toEqual([{ path: "/usr/bin/ping", xattr: "security.capability" }]);
  });

  it("counts a name's bytes, not its characters", () => {
    const [record] = layOutCpio([["/Főtanúsítvány", file]], { mtimeClampSec: 0 });
    expect(record?.header.nameSizeBytes).toBe(18);
  });

  const huge: TreeNode = { ...attributes, kind: "file", content: { ...contentOf(""), sizeBytes: 2 ** 32 } };
  it.each<[what: string, path: string, node: TreeNode, message: string]>([
    [
      "a file of 4 GiB",
      "/var/chain.db",
      huge,
      'cannot pack file "/var/chain.db": expected at most 4294967295 bytes, got 4294967296',
    ],
    ["a name of no characters", "", file, "a name that an archive can hold"],
    ["a relative name", "etc", file, "a name that an archive can hold"],
    ["the trailer's name", "/TRAILER!!!", file, "a name that an archive can hold"],
    ["a name that is no text", "/\ud800", file, "a name that an archive can hold"],
    ["a name with NUL", "/a\0b", file, "a name that an archive can hold"],
    ["a name that the kernel would skip", `/${"é".repeat(2048)}`, file, "a name shorter than 4096 bytes, got 4096"],
    [
      "a target of no characters",
      "/l",
      { ...attributes, kind: "symlink", target: "" },
      "a target of 1 to 4095 bytes of text, got 0",
    ],
    [
      "a target that the kernel would skip",
      "/l",
      { ...attributes, kind: "symlink", target: "x".repeat(4096) },
      "got 4096",
    ],
    ["a user that 32 bits cannot hold", "/f", { ...file, uid: 2 ** 32 }, "uid from 0 to 4294967295, got 4294967296"],
    ["a negative group", "/f", { ...file, gid: -1 }, "gid from 0 to 4294967295, got -1"],
    ["a time that is no integer", "/f", { ...file, mtimeSec: 0.5 }, "mtimeSec from 0"],
  ])("refuses %s", (_what, path, node, message) => {
    expect(() => layOutCpio([[path, node]], { mtimeClampSec: CLAMP_SEC })).toThrow(CvmError);
    expect(() => layOutCpio([[path, node]], { mtimeClampSec: CLAMP_SEC })).toThrow(message);
  });

  it("says what to do with a file of 4 GiB", () => {
    expect(() => layOutCpio([["/big", huge]], { mtimeClampSec: 0 })).toThrow(
      expect.objectContaining({ code: "archive", hint: expect.stringContaining("disk"), details: { path: "/big" } }),
    );
  });
});
