import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contentOf } from "../content.ts";
import { CLAMP_SEC, sampleTree } from "../cpio/sample.fixture.ts";
import type { FileNode } from "../tree.ts";
import { writeDirectory } from "./writer.ts";

describe("writeDirectory", () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "cvm-directory-"))));
  afterAll(() => rmSync(folder, { recursive: true }));

  const write = (name: string, tree = sampleTree()) => {
    const output = join(folder, name);
    return { output, written: writeDirectory(tree, { output, mtimeClampSec: CLAMP_SEC }) };
  };

  it("writes what needs no root, and says what does", () => {
    const { output, written } = write("sample");
    expect(written.missing).toEqual(["/dev/console", "/dev/initctl", "/dev/vda"]);
    expect([...written.files.keys()]).toHaveLength(7);
    const stat = (path: string) => lstatSync(join(output, path));
    const line = (path: string) => `${(stat(path).mode & 0o7777).toString(8)} ${stat(path).mtimeMs / 1000}`;
    expect(readlinkSync(join(output, "bin"))).toBe("usr/bin");
    expect(stat("bin").mtimeMs).toBe(1_700_000_000_000);
    expect(readFileSync(join(output, "etc/hostname"), "utf8")).toBe("reth-node\n");
    expect(line("etc/hostname")).toBe(`644 ${CLAMP_SEC}`);
    expect(line("etc/shadow")).toBe("640 0");
    expect(line("tmp")).toBe("777 1700000000");
    expect(line("etc")).toBe("755 1700000000");
    expect(line(".")).toBe("755 1700000000");
    expect(stat("usr/bin/perl").ino).toBe(stat("usr/bin/perl5.40").ino);
    expect(readdirSync(join(output, "dev"))).toEqual([]);
  });

  it("leaves set-id bits to the specification, and files readable", () => {
    const tree = sampleTree();
    const plain = tree.get("/etc/hostname") as FileNode;
    tree.set("/usr/bin/su", { ...plain, mode: 0o4755 });
    tree.set("/usr/bin/secret", { ...plain, mode: 0 });
    const { output } = write("modes", tree);
    expect(lstatSync(join(output, "usr/bin/su")).mode & 0o7777).toBe(0o755);
    expect(lstatSync(join(output, "usr/bin/secret")).mode & 0o7777).toBe(0o400);
  });

  it("leaves zeros out of files, and gives them their size", () => {
    const tree = sampleTree();
    const bytes = Buffer.alloc(3 << 20);
    bytes.write("in the middle", 1 << 20);
    tree.set("/sparse", { ...(tree.get("/etc/hostname") as FileNode), content: contentOf(bytes) });
    const { output } = write("sparse", tree);
    expect(readFileSync(join(output, "sparse")).equals(bytes)).toBe(true);
    expect(lstatSync(join(output, "sparse")).blocks * 512).toBeLessThan(1 << 20);
  });

  it("does not write into what is there", () => {
    const { output } = write("twice");
    expect(() => writeDirectory(sampleTree(), { output, mtimeClampSec: CLAMP_SEC })).toThrow("EEXIST");
  });
});
