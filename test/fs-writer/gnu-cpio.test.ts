import { execFileSync } from "node:child_process";
import { linkSync, lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { bytesSource } from "@cvm-build/bytes";
import {
  contentOf,
  type DerivedCache,
  dumpTree,
  encodeCpio,
  type FileNode,
  FileTree,
  layOutCpio,
  packSegments,
  readCpioTree,
} from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const CLAMP_SEC = 1_757_635_200;
const CERTIFICATE = "/usr/share/NetLock_Arany_=Class_Gold=_Főtanúsítvány.crt";
const origin = { kind: "package", name: "sample" } as const;
const attributes = { uid: 0, gid: 0, mtimeSec: 1_700_000_000, origin };
const file = (text: string, mode = 0o644): FileNode => ({
  ...attributes,
  kind: "file",
  mode,
  content: contentOf(text),
});

function sampleTree(): FileTree {
  const tree = new FileTree({ ...attributes, mode: 0o755 });
  for (const path of ["/dev", "/usr/bin", "/usr/share"]) tree.makeDirectories(path, origin);
  tree.set("/tmp", { ...attributes, kind: "directory", mode: 0o1777 });
  const linked = file("linked", 0o755);
  for (const path of ["/usr/bin/perl", "/usr/bin/perl5.40", "/usr/bin/pl"]) tree.set(path, linked);
  const emptyLinked = file("");
  for (const path of ["/usr/bin/empty1", "/usr/bin/empty2"]) tree.set(path, emptyLinked);
  tree.set("/usr/bin/su", { ...file("su", 0o4755), gid: 42, mtimeSec: CLAMP_SEC + 1000 });
  tree.set("/bin", { ...attributes, kind: "symlink", mode: 0o777, target: "usr/bin" });
  tree.set(CERTIFICATE, file("certificate"));
  tree.set("/dev/null", { ...attributes, kind: "char", mode: 0o666, major: 1, minor: 3 });
  tree.set("/dev/vda", { ...attributes, kind: "block", mode: 0o660, gid: 6, major: 254, minor: 17 });
  tree.set("/dev/initctl", { ...attributes, kind: "fifo", mode: 0o600 });
  return tree;
}

function folderCache(folder: string): DerivedCache {
  let made = 0;
  return {
    lookup: () => undefined,
    reserve: () => join(folder, `${made++}`),
    commit: (_kind, _key, { temporaryPath, ...written }) => ({ path: temporaryPath, ...written }),
    discard: () => {},
  };
}

const encode = (tree: FileTree): Buffer =>
  Buffer.concat([...encodeCpio(layOutCpio(tree.entries(), { mtimeClampSec: CLAMP_SEC }))]);
const cpio = (args: string[], input: Buffer, cwd: string): string =>
  execFileSync("cpio", args, { input, cwd, env: { ...process.env, LC_ALL: "C.UTF-8", TZ: "UTC" } }).toString();

/** What was unpacked is what the tree says, as far as one who is not root can unpack it. */
function compareUnpacked(folder: string, tree: FileTree): void {
  for (const [path, node] of tree.entries()) {
    if (node.kind === "char" || node.kind === "block") continue;
    const found = lstatSync(join(folder, path));
    if (node.kind === "symlink") {
      expect(readlinkSync(join(folder, path))).toBe(node.target);
      continue;
    }
    if (node.kind !== "directory") {
      expect(found.mtimeMs / 1000, path).toBe(Math.min(node.mtimeSec, CLAMP_SEC));
      expect(found.mode & 0o777, path).toBe(node.mode & 0o777);
    }
    if (node.kind === "file")
      expect(readFileSync(join(folder, path)).equals(Buffer.from((node.content as { bytes: Uint8Array }).bytes))).toBe(
        true,
      );
  }
  const inode = (path: string): number => lstatSync(join(folder, path)).ino;
  expect(new Set(["/usr/bin/perl", "/usr/bin/perl5.40", "/usr/bin/pl"].map(inode)).size).toBe(1);
  expect(inode("/usr/bin/empty1")).toBe(inode("/usr/bin/empty2"));
  expect(lstatSync(join(folder, "/usr/bin/perl")).nlink).toBe(3);
}

describe.skipIf(!requirePeers("cpio"))("GNU cpio", () => {
  it("lists what was written", () => {
    using folder = temporaryFolder();
    const listing = cpio(["-itv", "--quiet", "--numeric-uid-gid"], encode(sampleTree()), folder.path);
    const lines = listing
      .trimEnd()
      .split("\n")
      .map((line) => line.replace(/ +/g, " "));
    expect(lines).toEqual([
      "drwxr-xr-x 2 0 0 0 Nov 14 2023 .",
      "lrwxrwxrwx 1 0 0 7 Nov 14 2023 bin -> usr/bin",
      "drwxr-xr-x 2 0 0 0 Jan 1 1970 dev",
      "prw------- 1 0 0 0 Nov 14 2023 dev/initctl",
      "crw-rw-rw- 1 0 0 1, 3 Nov 14 2023 dev/null",
      "brw-rw---- 1 0 6 254, 17 Nov 14 2023 dev/vda",
      "drwxrwxrwt 2 0 0 0 Nov 14 2023 tmp",
      "drwxr-xr-x 2 0 0 0 Jan 1 1970 usr",
      "drwxr-xr-x 2 0 0 0 Jan 1 1970 usr/bin",
      "-rw-r--r-- 2 0 0 0 Nov 14 2023 usr/bin/empty1",
      "-rw-r--r-- 2 0 0 0 Nov 14 2023 usr/bin/empty2",
      "-rwxr-xr-x 3 0 0 0 Nov 14 2023 usr/bin/perl",
      "-rwxr-xr-x 3 0 0 0 Nov 14 2023 usr/bin/perl5.40",
      "-rwxr-xr-x 3 0 0 6 Nov 14 2023 usr/bin/pl",
      "-rwsr-xr-x 1 0 42 2 Sep 12 2025 usr/bin/su",
      "drwxr-xr-x 2 0 0 0 Jan 1 1970 usr/share",
      `-rw-r--r-- 1 0 0 11 Nov 14 2023 ${CERTIFICATE.slice(1)}`,
    ]);
  });

  const UNPACK = ["-idm", "--quiet", "--no-preserve-owner", "-f", "dev/null", "-f", "dev/vda"];

  it("unpacks what was written, links included", () => {
    using folder = temporaryFolder();
    cpio(UNPACK, encode(sampleTree()), folder.path);
    compareUnpacked(folder.path, sampleTree());
  });

  it("unpacks segments one after the other", async () => {
    using folder = temporaryFolder();
    using cacheFolder = temporaryFolder();
    const { segments } = await packSegments(sampleTree(), {
      cache: folderCache(cacheFolder.path),
      compression: { algorithm: "zstd", level: 3 },
      mtimeClampSec: CLAMP_SEC,
      threads: 2,
    });
    for (const segment of segments) cpio(UNPACK, zstdDecompressSync(readFileSync(segment.path)), folder.path);
    compareUnpacked(folder.path, sampleTree());
  });

  it.each(["newc", "crc"])("writes %s that is read back", (format) => {
    using folder = temporaryFolder();
    mkdirSync(join(folder.path, "usr/bin"), { recursive: true, mode: 0o755 });
    writeFileSync(join(folder.path, "usr/bin/perl"), "linked", { mode: 0o755 });
    linkSync(join(folder.path, "usr/bin/perl"), join(folder.path, "usr/bin/perl5.40"));
    writeFileSync(join(folder.path, "usr/Főtanúsítvány"), "x".repeat(5000), { mode: 0o644 });
    writeFileSync(join(folder.path, "empty"), "", { mode: 0o600 });
    symlinkSync("usr/bin", join(folder.path, "bin"));
    execFileSync("mkfifo", ["-m", "600", join(folder.path, "fifo")]);
    const names = execFileSync("find", [".", "-print0"], { cwd: folder.path });
    const args = ["-o0", "--quiet", "-H", format, "-R", "+0:+0"];
    const archive = execFileSync("cpio", args, {
      input: names,
      cwd: folder.path,
      env: { ...process.env, LC_ALL: "C" },
    });
    expect(dumpTree(readCpioTree(bytesSource(archive), { origin }))).toEqual({
      "/": "directory 0700 0:0",
      "/bin": "symlink usr/bin",
      "/empty": "file 0600 0:0 0 e3b0c442",
      "/fifo": "fifo 0600 0:0",
      "/usr/Főtanúsítvány": "file 0644 0:0 5000 c59d3c04",
      "/usr/bin/perl": "file 0755 0:0 6 2272bea6",
      "/usr/bin/perl5.40": "link /usr/bin/perl",
    });
  });
});
