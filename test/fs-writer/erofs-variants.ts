import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Sha256Hex } from "@cvm-build/bytes";
import { contentOf, type ErofsOptions, type FileNode, FileTree } from "@cvm-build/fs-writer";

/** A tree and what is special about how it is written. */
export interface ErofsVariant {
  name: string;
  /** @param folder where contents that are not to be in memory may lie */
  tree(folder: string): FileTree;
  options?: Partial<ErofsOptions>;
  /** Too much to be unpacked. */
  isLarge?: boolean;
  /** What the file system that it is unpacked to may refuse, or what `fsck.erofs` leaves out: holes at an end. */
  isForKernel?: boolean;
}

export const EROFS_CLAMP_SEC = 1_757_635_200;
const BLOCK_BYTES = 4096;
const CHUNK_BYTES = 16 * 1024;
const MANY_NAMES = 100_000;

const origin = { kind: "package", name: "sample" } as const;
const attributes = { uid: 0, gid: 0, mtimeSec: 1_700_000_000, origin };

/** The capability set `cap_net_raw=ep`. @see Linux, include/uapi/linux/capability.h, struct vfs_cap_data */
const CAPABILITY = Buffer.from("0100000200200000000000000000000000000000", "hex");
/** An access list with an entry for user 1000. @see Linux, include/uapi/linux/posix_acl_xattr.h */
const ACCESS_LIST = Buffer.from(
  "0200000001000600ffffffff02000600e803000004000400ffffffff10000600ffffffff20000400ffffffff",
  "hex",
);

/** What `fsck.erofs`, `dump.erofs` and the kernel are shown. */
export const EROFS_VARIANTS: readonly ErofsVariant[] = [
  { name: "an empty tree", tree: emptyTree },
  { name: "every kind of node", tree: everyKind, options: { label: "every kind" } },
  { name: "hard links", tree: hardLinks },
  { name: "extended attributes", tree: manyXattrs },
  { name: "attributes that few file systems take", tree: largeXattrs, isForKernel: true },
  { name: "ends of files and links near a block's", tree: tails },
  { name: "names around the dots, and of 255 bytes", tree: names },
  { name: "100,000 names of one file", tree: manyNames, isLarge: true },
  { name: "chunks", tree: chunks, options: { chunkBytes: CHUNK_BYTES } },
  { name: "holes at the end", tree: holesAtEnd, options: { chunkBytes: CHUNK_BYTES }, isForKernel: true },
  { name: "a sparse file of more than 4 GiB", tree: hugeFile, options: { chunkBytes: 1 << 20 }, isLarge: true },
];

/** Files of which some shrink, some do not, and some are equal. */
export function compressibleTree(): FileTree {
  const tree = emptyTree();
  const xattrs = new Map([["user.text", Buffer.from("yes")]]);
  const textOf = (sizeBytes: number): Buffer => {
    let text = "";
    for (let line = 0; text.length < sizeBytes; line++) text += `line ${line} of ${sizeBytes}, ${line * line}\n`;
    return Buffer.from(text.slice(0, sizeBytes));
  };
  for (const sizeBytes of [1, 4095, 4096, 4097, 8192, 65_536, 100_000, 131_071, 1_000_000, 3_000_000]) {
    const text: FileNode = { ...attributes, kind: "file", mode: 0o644, content: contentOf(textOf(sizeBytes)) };
    tree.set(`/text-${sizeBytes}`, text);
    tree.set(`/text-${sizeBytes}.old`, { ...text, mtimeSec: 1, xattrs });
    tree.set(`/noise-${sizeBytes}`, patternedFile(sizeBytes, sizeBytes));
  }
  return tree;
}

/** A file with bytes that do not repeat within a block. */
export function patternedFile(sizeBytes: number, seed: number): FileNode {
  const bytes = Buffer.alloc(sizeBytes);
  for (let at = 0, state = seed; at < sizeBytes; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 16;
  }
  return { ...attributes, kind: "file", mode: 0o644, content: contentOf(bytes) };
}

function emptyTree(): FileTree {
  return new FileTree({ ...attributes, mode: 0o755 });
}

function everyKind(): FileTree {
  const tree = emptyTree();
  for (const path of ["/dev", "/usr/bin", "/empty"]) tree.makeDirectories(path, origin);
  tree.set("/tmp", { ...attributes, kind: "directory", mode: 0o1777, mtimeSec: EROFS_CLAMP_SEC + 9 });
  tree.set("/usr/bin/sh", { ...patternedFile(70_000, 1), mode: 0o755 });
  tree.set("/usr/bin/su", { ...patternedFile(5000, 2), mode: 0o4755, gid: 42 });
  tree.set("/usr/bin/large-ids", { ...patternedFile(1, 3), uid: 4_000_000_000, gid: 70_000 });
  tree.set("/usr/bin/none", patternedFile(0, 4));
  tree.set("/usr/bin/old", { ...patternedFile(9000, 5), mtimeSec: 1 });
  tree.set("/Főtanúsítvány 😀", patternedFile(300, 6));
  tree.set("/bin", { ...attributes, kind: "symlink", mode: 0o777, target: "usr/bin" });
  tree.set("/dev/null", { ...attributes, kind: "char", mode: 0o666, major: 1, minor: 3 });
  tree.set("/dev/vda", { ...attributes, kind: "block", mode: 0o660, gid: 6, major: 4095, minor: 1_048_575 });
  tree.set("/dev/initctl", { ...attributes, kind: "fifo", mode: 0o600 });
  return tree;
}

function hardLinks(): FileTree {
  const tree = emptyTree();
  tree.makeDirectories("/a/b", origin);
  const file = patternedFile(10_000, 7);
  for (const path of ["/a/first", "/a/b/second", "/third"]) tree.set(path, file);
  const device = { ...attributes, kind: "char", mode: 0o600, major: 5, minor: 1 } as const;
  for (const path of ["/console", "/a/console"]) tree.set(path, device);
  const link = { ...attributes, kind: "symlink", mode: 0o777, target: "a/first" } as const;
  for (const path of ["/link", "/a/link"]) tree.set(path, link);
  // Equal bytes, but not the same file.
  tree.set("/a/equal", { ...file, mode: 0o600 });
  return tree;
}

function manyXattrs(): FileTree {
  const tree = new FileTree({ ...attributes, mode: 0o755, xattrs: new Map([["user.root", Buffer.from("1")]]) });
  const label = Buffer.from("system_u:object_r:bin_t:s0\0");
  tree.makeDirectories("/shared", origin);
  for (let index = 0; index < 300; index++) {
    const xattrs = new Map([
      ["user.own", Buffer.from(`${index}`)],
      ["security.selinux", label],
      ["security.capability", CAPABILITY],
    ]);
    tree.set(`/shared/${index}`, { ...patternedFile(index * 40, index), xattrs });
  }
  const list = [["system.posix_acl_access", ACCESS_LIST]] as const;
  tree.set("/list", { ...patternedFile(100, 12), mode: 0o664, xattrs: new Map(list) });
  return tree;
}

function largeXattrs(): FileTree {
  const tree = emptyTree();
  const many = Array.from({ length: 400 }, (_, index) => [`user.${index}`, Buffer.alloc(index, 0x61)] as const);
  tree.set("/many", { ...patternedFile(5000, 8), xattrs: new Map(many) });
  tree.set("/many-again", { ...patternedFile(5001, 9), xattrs: new Map([...many].reverse()) });
  tree.set("/many-thrice", { ...patternedFile(1, 10), xattrs: new Map(many) });
  const large = [["trusted.large", Buffer.alloc(60_000, 0x62)]] as const;
  tree.set("/large", { ...patternedFile(100, 11), xattrs: new Map(large) });
  tree.set("/large-file", {
    ...patternedFile(10_000, 17),
    xattrs: new Map([...large, ["trusted.b", Buffer.from("b")]]),
  });
  const onLink = new Map([["trusted.link", Buffer.from("x")]]);
  tree.set("/link", { ...attributes, kind: "symlink", mode: 0o777, target: "large", xattrs: onLink });
  return tree;
}

function tails(): FileTree {
  const tree = emptyTree();
  for (const blocks of [0, 1, 2, 300]) {
    for (const more of [-65, -64, -33, -32, -31, -1, 0, 1, 31, 32, 33]) {
      const sizeBytes = blocks * BLOCK_BYTES + more;
      if (sizeBytes < 0) continue;
      tree.set(`/${sizeBytes}`, patternedFile(sizeBytes, sizeBytes));
      // Another time takes a larger inode.
      tree.set(`/${sizeBytes}.old`, { ...patternedFile(sizeBytes, sizeBytes + 1), mtimeSec: 1 });
    }
  }
  for (const length of [1, 4000, 4031, 4032, 4033, 4063, 4064, 4065, 4095]) {
    const target = "t".repeat(length).replaceAll(/.{200}/g, (part) => `${part.slice(1)}/`);
    tree.set(`/link-${length}`, { ...attributes, kind: "symlink", mode: 0o777, target });
  }
  return tree;
}

function names(): FileTree {
  const tree = emptyTree();
  const special = ["!", "-", "--", "+x", ".-", ".a", "...", "..a", "a", "~", "ÿ", "\u{ffff}", "\u{10000}"];
  for (const [index, name] of special.entries()) tree.set(`/${name}`, patternedFile(index, index));
  // Directories whose entries fill their blocks to the last byte, and one byte less and more.
  for (const length of [254, 255]) {
    const folder = `/${length}`;
    tree.makeDirectories(folder, origin);
    for (let index = 0; index < 200; index++) {
      tree.set(`${folder}/${String(index).padStart(length, "n")}`, { ...attributes, kind: "fifo", mode: 0o600 });
    }
  }
  return tree;
}

function manyNames(): FileTree {
  const tree = emptyTree();
  tree.makeDirectories("/many", origin);
  const file = patternedFile(100, 13);
  for (let index = 0; index < MANY_NAMES; index++) tree.set(`/many/name-${index}`, file);
  return tree;
}

function chunkFiles(files: Record<string, readonly Buffer[]>): FileTree {
  const tree = emptyTree();
  for (const [name, parts] of Object.entries(files)) {
    tree.set(`/${name}`, { ...attributes, kind: "file", mode: 0o644, content: contentOf(Buffer.concat(parts)) });
  }
  return tree;
}

function chunks(): FileTree {
  const [a, b] = [14, 15].map((seed) => bytesOf(patternedFile(CHUNK_BYTES, seed))) as [Buffer, Buffer];
  const tree = chunkFiles({
    ab: [a, b],
    "ba-and-more": [b, a, Buffer.from("more")],
    "hole-between": [a, Buffer.alloc(CHUNK_BYTES), b],
    small: [Buffer.from("small")],
  });
  tree.set("/nothing-shared", patternedFile(3 * CHUNK_BYTES + 5, 16));
  for (const name of ["equal", "equal-too"]) tree.set(`/${name}`, patternedFile(3 * CHUNK_BYTES + 5, 17));
  return tree;
}

function holesAtEnd(): FileTree {
  const [full, hole] = [bytesOf(patternedFile(CHUNK_BYTES, 18)), Buffer.alloc(CHUNK_BYTES)];
  return chunkFiles({
    "hole-at-end": [full, hole, hole.subarray(0, 100)],
    "holes-alone": [hole, hole, hole],
    "hole-of-one-block": [hole.subarray(0, BLOCK_BYTES)],
  });
}

/** `truncate -s 4294979541 f; printf 'far behind' >> f; truncate -s +90 f; sha256sum f` */
const HUGE_SHA256 = "6f0bf55dd009c085c047f3a2fbe0dcffb14ef37d717a23edb3f3c0ef90164b4a" as Sha256Hex;

function hugeFile(folder: string): FileTree {
  const path = join(folder, "huge");
  const sizeBytes = 2 ** 32 + 12_345;
  const file = openSync(path, "w");
  ftruncateSync(file, sizeBytes);
  writeSync(file, Buffer.from("far behind"), 0, 10, sizeBytes - 100);
  closeSync(file);
  const content = { sizeBytes, sha256: HUGE_SHA256, file: { path, offsetBytes: 0 } };
  const tree = emptyTree();
  tree.set("/huge", { ...attributes, kind: "file", mode: 0o644, content });
  return tree;
}

function bytesOf({ content }: FileNode): Buffer {
  return Buffer.from((content as { bytes: Uint8Array }).bytes);
}
