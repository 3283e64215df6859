import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lchownSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";

const WORDS = "all images in one block were read and then written to a disk that had no other use for them".split(" ");
const SET_XATTRS = `
import json, os, sys
for path, name, value in json.load(sys.stdin):
    os.setxattr(path, name, bytes.fromhex(value), follow_symlinks=False)
`;
const isRoot = process.getuid?.() === 0;

/** Numbers that look random and are the same each time. */
export function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    yield state >>> 16;
  }
}

/** Text that compressors shrink. */
export function text(sizeBytes: number, seed: number): Buffer {
  const random = numbers(seed);
  let words = "";
  while (words.length < sizeBytes) words += `${WORDS[random.next().value % WORDS.length]} `;
  return Buffer.from(words.slice(0, sizeBytes));
}

/** Bytes that compressors do not shrink. */
export function noise(sizeBytes: number, seed: number): Buffer {
  const random = numbers(seed);
  return Buffer.from(Array.from({ length: sizeBytes }, () => random.next().value & 0xff));
}

/** Files of every size that a layout treats in another way. */
function contents(): Record<string, Buffer> {
  const shared = Buffer.concat([text(60_000, 1), noise(9000, 2), text(40_000, 3)]);
  return {
    empty: Buffer.alloc(0),
    byte: Buffer.from("x"),
    small: text(700, 4),
    "small-noise": noise(900, 5),
    block: text(4096, 6),
    "two-blocks": text(8192, 7),
    "block-and-tail": text(5000, 8),
    noise: noise(30_001, 9),
    shared,
    "shared-later": Buffer.concat([Buffer.from("shifted"), shared, noise(100, 10)]),
    "shared-part": shared.subarray(20_000),
    "noise-tail": Buffer.concat([text(20_000, 11), noise(700, 12)]),
    mixed: Buffer.concat([
      text(50_000, 13),
      noise(30_000, 14),
      Buffer.alloc(100_000),
      text(30_000, 15),
      noise(4097, 16),
    ]),
    zeros: Buffer.alloc(16_384),
    "bin/program": Buffer.concat([noise(3000, 17), text(260_000, 18)]),
    "Főtanúsítvány 😀": Buffer.from("u"),
    [`long/${"n".repeat(254)}`]: text(100, 19),
    ...Object.fromEntries(
      Array.from({ length: 200 }, (_, index) => [`many/${index}-${"m".repeat(index % 60)}`, text(index * 37, index)]),
    ),
  };
}

/** Fills a folder with what `mkfs.erofs` is to make an image of; what takes root only where there is root. */
export function makeSource(folder: string): void {
  for (const [name, bytes] of Object.entries(contents())) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  const at = (name: string): string => join(folder, name);
  const sparse = openSync(at("sparse"), "w");
  ftruncateSync(sparse, 3 << 16);
  writeSync(sparse, text(30_000, 20), 0, 30_000, 1 << 16);
  closeSync(sparse);
  symlinkSync("bin/program", at("link"));
  symlinkSync(`${"a/".repeat(2040)}b`, at("long-link"));
  linkSync(at("shared"), at("bin/hard"));
  linkSync(at("empty"), at("empty-hard"));
  execFileSync("mkfifo", [at("fifo")]);
  mkdirSync(at("nothing"), { mode: 0o700 });
  chmodSync(at("bin/program"), 0o4755);
  chmodSync(at("nothing"), 0o1777);
  if (isRoot) {
    execFileSync("mknod", [at("null"), "c", "1", "3"]);
    execFileSync("mknod", [at("disk"), "b", "254", "70000"]);
    lchownSync(at("small"), 1000, 50_000);
    lchownSync(at("link"), 7, 8);
  }
  setXattrs(folder, xattrs());
  for (const [index, name] of ["small", "block", "many", "bin", "mixed"].entries()) utimesSync(at(name), index, index);
}

/** Attributes of `makeSource`'s files. */
function xattrs(): Xattr[] {
  const hex = (value: string): string => Buffer.from(value).toString("hex");
  const names = ["small", "block", "two-blocks", "zeros", "many"];
  const ordinary = names.map((name): Xattr => [name, "user.shared", hex("same")]);
  const special: Xattr[] = [
    ["", "security.selinux", hex("system_u:object_r:root_t:s0\0")],
    ["bin", "security.selinux", hex("system_u:object_r:bin_t:s0\0")],
    ["many", "trusted.overlay.opaque", hex("y")],
    ["link", "trusted.overlay.redirect", hex("elsewhere")],
    ["bin/program", "security.capability", "0100000200200000000000000000000000000000"],
  ];
  return [
    ...ordinary,
    ["shared", "user.large", hex("q".repeat(2000))],
    ["block", "user.overlay.one", hex("1")],
    ["block", "user.empty", ""],
    ...(isRoot ? special : []),
  ];
}

/** A path in a folder, an attribute's name, and its value in hexadecimal. */
type Xattr = readonly [path: string, name: string, value: string];

/** Sets extended attributes, which Node cannot. */
export function setXattrs(folder: string, entries: readonly Xattr[]): void {
  const input = JSON.stringify(entries.map(([path, name, value]) => [join(folder, path), name, value]));
  execFileSync("python3", ["-c", SET_XATTRS], { input });
}
