import { FormatError, sha256Hex } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { CLAMP_SEC, sampleEntries, sampleTree } from "../cpio/sample.fixture.ts";
import type { FileNode, TreeNode } from "../tree.ts";
import { readTar, type TarEntry } from "./reader.ts";
import { layOutTar } from "./tree.ts";

async function entriesOf(bytes: Buffer): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  await readTar([bytes], (entry) => entries.push(entry));
  return entries;
}

const bytesOf = (tree = sampleTree()) => Buffer.concat([...layOutTar(tree, { mtimeClampSec: CLAMP_SEC }).chunks()]);

describe("layOutTar", () => {
  it("has every entry, links behind what they lead to, and says how long it is", async () => {
    const bytes = bytesOf();
    expect(bytes.length).toBe(layOutTar(sampleTree(), { mtimeClampSec: CLAMP_SEC }).sizeBytes);
    const line = ({
      type,
      mode,
      uid,
      gid,
      mtimeSec,
      name,
      linkname,
      sizeBytes,
      devmajor,
      devminor,
      xattrs,
    }: TarEntry) =>
      [
        `${type} ${mode.toString(8)} ${uid}:${gid} ${mtimeSec} ${name} ${sizeBytes}`,
        ...(linkname === "" ? [] : [`-> ${linkname}`]),
        ...(devmajor + devminor === 0 ? [] : [`${devmajor}:${devminor}`]),
        ...[...xattrs].map(([key, value]) => `${key}=${Buffer.from(value).toString("hex")}`),
      ].join(" ");
    expect((await entriesOf(bytes)).map(line)).toEqual([
      "directory 755 0:0 1700000000 ./ 0",
      "symlink 777 0:0 1700000000 ./bin 0 -> usr/bin",
      "directory 755 0:0 1700000000 ./dev/ 0",
      "char 600 0:0 1700000000 ./dev/console 0 5:1",
      "fifo 600 0:0 1700000000 ./dev/initctl 0",
      "block 660 0:6 1700000000 ./dev/vda 0 254:0",
      "directory 755 0:0 1700000000 ./etc/ 0",
      "file 644 0:0 1700000000 ./etc/empty 0",
      `file 644 0:0 ${CLAMP_SEC} ./etc/hostname 10`,
      "file 640 0:42 0 ./etc/shadow 9",
      "directory 1777 0:0 1700000000 ./tmp/ 0",
      "directory 755 0:0 1700000000 ./usr/ 0",
      "directory 755 0:0 1700000000 ./usr/bin/ 0",
      "file 755 0:0 1700000000 ./usr/bin/perl 11",
      "link 755 0:0 1700000000 ./usr/bin/perl5.40 0 -> ./usr/bin/perl",
      "file 755 0:0 1700000000 ./usr/bin/ping 4 security.capability=01",
      "directory 755 0:0 1700000000 ./usr/share/ 0",
      "file 644 0:0 1700000000 ./usr/share/NetLock_Főtanúsítvány.crt 12",
    ]);
  });

  it("does not depend on the order in which the tree was filled", () => {
    expect(bytesOf(sampleTree(sampleEntries().reverse()))).toEqual(bytesOf());
  });

  it("holds files of 8 GiB and more, long names and large owners", async () => {
    const tree = sampleTree();
    const plain = tree.get("/etc/hostname") as FileNode;
    const long = `/etc/${"long-".repeat(40)}`;
    tree.set(long, { ...plain, uid: 3_000_000 });
    tree.set("/etc/link", { ...plain, kind: "symlink", target: "x".repeat(300) } as TreeNode);
    const entries = await entriesOf(bytesOf(tree));
    expect(entries.find(({ name }) => name === `.${long}`)).toMatchObject({ uid: 3_000_000, sizeBytes: 10 });
    expect(entries.find(({ name }) => name === "./etc/link")?.linkname).toBe("x".repeat(300));
    tree.set("/etc/big", { ...plain, content: { ...plain.content, sizeBytes: 2 ** 34 } });
    const layout = layOutTar(tree, { mtimeClampSec: CLAMP_SEC });
    expect(layout.sizeBytes).toBeGreaterThan(2 ** 34);
    let start = "";
    for (const chunk of layout.chunks()) {
      start += chunk.toString("latin1");
      if (start.includes("./etc/big")) break;
    }
    expect(start).toContain("20 size=17179869184\n");
  });

  it("refuses contents that changed", () => {
    const tree = sampleTree();
    const plain = tree.get("/etc/hostname") as FileNode;
    tree.set("/etc/hostname", { ...plain, content: { ...plain.content, sha256: sha256Hex("other") } });
    expect(() => bytesOf(tree)).toThrow(FormatError);
  });
});
