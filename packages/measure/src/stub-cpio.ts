import { alignUp, assert } from "@cvm-build/bytes";

/** A file that systemd-stub puts into a cpio archive. */
export interface StubCpioFile {
  name: string;
  content: Uint8Array;
}

/** Mode bits of directories and regular files. @see inode(7) */
const TYPE_BITS = { directory: 0o040000, file: 0o100000 } as const;
/** The stub writes its trailer as one literal: its name size is the only number in upper case, and nothing pads it. */
const TRAILER = Buffer.from(
  `070701${"00000000".repeat(4)}00000001${"00000000".repeat(6)}0000000B00000000TRAILER!!!\0\0\0\0`,
  "latin1",
);
const HEADER_BYTES = 110;

/**
 * The cpio archive that systemd-stub makes in memory and appends to the initrd: each directory of `prefix`, the files
 * sorted by name, its trailer. Bit for bit, since it is measured.
 * @param files in the order in which the stub packs them
 * @see systemd, src/boot/cpio.c, `pack_cpio` and `pack_cpio_literal`
 */
export function encodeStubCpio(
  files: readonly StubCpioFile[],
  place: { prefix: string; directoryMode: number; fileMode: number },
): Buffer {
  const components = place.prefix.split("/");
  const pieces: Buffer[] = [];
  let inode = 1;
  for (const [index] of components.entries()) {
    const isLast = index === components.length - 1;
    const mode = isLast ? place.directoryMode : 0o555;
    pieces.push(
      encodeEntry({
        inode: inode++,
        mode: mode | TYPE_BITS.directory,
        path: components.slice(0, index + 1).join("/"),
        content: Buffer.alloc(0),
      }),
    );
  }
  for (const { name, content } of files) {
    const path = `${place.prefix}/${name}`;
    pieces.push(encodeEntry({ inode: inode++, mode: place.fileMode | TYPE_BITS.file, path, content }));
  }
  return Buffer.concat([...pieces, TRAILER]);
}

function encodeEntry(entry: { inode: number; mode: number; path: string; content: Uint8Array }): Buffer {
  const nameBytes = Buffer.byteLength(entry.path) + 1;
  assert(entry.content.byteLength <= 0xffff_ffff, "a cpio file is smaller than 4 GiB");
  const fields = [entry.inode, entry.mode, 0, 0, 1, 0, entry.content.byteLength, 0, 0, 0, 0, nameBytes, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  const contentOffset = alignUp(HEADER_BYTES + nameBytes, 4);
  const bytes = Buffer.alloc(alignUp(contentOffset + entry.content.byteLength, 4));
  bytes.write(header, "latin1");
  bytes.write(entry.path, HEADER_BYTES, "utf8");
  bytes.set(entry.content, contentOffset);
  return bytes;
}
