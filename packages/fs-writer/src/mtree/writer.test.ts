import { expect, it } from "vitest";
import { CLAMP_SEC, sampleEntries, sampleTree } from "../cpio/sample.fixture.ts";
import { encodeMtree } from "./writer.ts";

const text = (tree = sampleTree()) => [...encodeMtree(tree, { mtimeClampSec: CLAMP_SEC })].join("");

it("says everything of every path", () => {
  const digest = (start: string) => expect.stringMatching(new RegExp(` sha256digest=${start}`)) as string;
  expect(text().trimEnd().split("\n")).toEqual([
    "#mtree v2.0",
    ". type=dir mode=0755 uid=0 gid=0 time=1700000000.0",
    "./bin type=link mode=0777 uid=0 gid=0 time=1700000000.0 link=usr/bin",
    "./dev type=dir mode=0755 uid=0 gid=0 time=1700000000.0",
    "./dev/console type=char mode=0600 uid=0 gid=0 time=1700000000.0 device=linux,5,1",
    "./dev/initctl type=fifo mode=0600 uid=0 gid=0 time=1700000000.0",
    "./dev/vda type=block mode=0660 uid=0 gid=6 time=1700000000.0 device=linux,254,0",
    "./etc type=dir mode=0755 uid=0 gid=0 time=1700000000.0",
    // The digest of nothing.
    digest("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855$"),
    expect.stringMatching(
      /^\.\/etc\/hostname type=file mode=0644 .* time=1757635200\.0 size=10 sha256digest=[0-9a-f]{64}$/,
    ),
    expect.stringMatching(/^\.\/etc\/shadow type=file mode=0640 uid=0 gid=42 time=0\.0 size=9 /),
    "./tmp type=dir mode=1777 uid=0 gid=0 time=1700000000.0",
    "./usr type=dir mode=0755 uid=0 gid=0 time=1700000000.0",
    "./usr/bin type=dir mode=0755 uid=0 gid=0 time=1700000000.0",
    expect.stringMatching(/^\.\/usr\/bin\/perl type=file .* nlink=2 inode=1$/),
    expect.stringMatching(/^\.\/usr\/bin\/perl5\.40 type=file .* nlink=2 inode=1$/),
    "# xattr ./usr/bin/ping security.capability=0x01",
    expect.stringMatching(/^\.\/usr\/bin\/ping /),
    "./usr/share type=dir mode=0755 uid=0 gid=0 time=1700000000.0",
    expect.stringMatching(/^\.\/usr\/share\/NetLock_F\\305\\221tan\\303\\272s\\303\\255tv\\303\\241ny\.crt type=file /),
  ]);
  expect(text(sampleTree(sampleEntries().reverse()))).toBe(text());
});
