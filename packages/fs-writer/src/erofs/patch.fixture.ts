import { bytesSource, type RecordType, type ValueOf } from "@cvm-build/bytes";
import { crc32cRegister } from "./crc32c.ts";
import {
  EROFS_SLOT_BYTES,
  EROFS_SUPER_OFFSET,
  ErofsDirent,
  ErofsInodeCompact,
  ErofsInodeExtended,
  ErofsSuperblock,
} from "./format.ts";
import { openErofs } from "./reader.ts";
import { walkErofs } from "./reading/walk.ts";

const MAX_BLOCK_BITS = 16;

/** Changes fields of a record of an image in place. */
export function patchRecord<R extends RecordType<any>>(
  bytes: Buffer,
  { record, offsetBytes }: { record: R; offsetBytes: number },
  values: Partial<ValueOf<R>>,
): void {
  record.encode({ ...record.decode(bytes, offsetBytes), ...values }).copy(bytes, offsetBytes);
}

/** Changes the superblock in place; its checksum is right afterwards unless it is changed itself. */
export function patchSuperblock(bytes: Buffer, values: Partial<ErofsSuperblock>): void {
  patchRecord(bytes, { record: ErofsSuperblock, offsetBytes: EROFS_SUPER_OFFSET }, values);
  if (values.checksum === undefined) fixChecksum(bytes);
}

/** Makes the superblock's checksum what it should be. */
export function fixChecksum(bytes: Buffer): void {
  if (bytes.length < EROFS_SUPER_OFFSET + ErofsSuperblock.sizeBytes) return;
  const { blockBits } = ErofsSuperblock.decode(bytes, EROFS_SUPER_OFFSET);
  const blockBytes = 2 ** Math.min(blockBits, MAX_BLOCK_BITS);
  const end = blockBytes > EROFS_SUPER_OFFSET ? blockBytes : EROFS_SUPER_OFFSET + blockBytes;
  const place = EROFS_SUPER_OFFSET + ErofsSuperblock.offsetOf("checksum");
  bytes.writeUInt32LE(0, place);
  bytes.writeUInt32LE(crc32cRegister(bytes.subarray(EROFS_SUPER_OFFSET, end)), place);
}

/** Changes the inode at a path in place; of a compact one, what it has. */
export function patchInode(bytes: Buffer, path: string, values: Partial<ErofsInodeExtended>): void {
  const { offsetBytes, isExtended } = inodePlace(bytes, path);
  if (isExtended) {
    patchRecord(bytes, { record: ErofsInodeExtended, offsetBytes }, values);
    return;
  }
  const {
    sizeBytes,
    mtimeSec: _mtimeSec,
    mtimeNsec: _mtimeNsec,
    reserved: _,
    reserved2: _reserved,
    ...others
  } = values;
  const size = sizeBytes === undefined ? {} : { sizeBytes: Number(sizeBytes) };
  patchRecord(bytes, { record: ErofsInodeCompact, offsetBytes }, { ...others, ...size });
}

/** Where the inode at a path is. */
export function inodePlace(bytes: Buffer, path: string): { nid: number; offsetBytes: number; isExtended: boolean } {
  const image = openErofs(bytesSource(bytes));
  const { metaBlock } = ErofsSuperblock.decode(bytes, EROFS_SUPER_OFFSET);
  for (const { path: found, inode } of walkErofs(image)) {
    if (found !== path) continue;
    const offsetBytes = metaBlock * image.facts.blockBytes + inode.nid * EROFS_SLOT_BYTES;
    const isExtended = inode.xattrs.offsetBytes - offsetBytes === ErofsInodeExtended.sizeBytes;
    return { nid: inode.nid, offsetBytes, isExtended };
  }
  throw new Error(`expected ${path} in the image`);
}

/** Changes an entry of a directory of one block in place, and its name to one of the same length. */
export function patchDirent(
  bytes: Buffer,
  { directory, name }: { directory: string; name: string },
  { newName = name, ...values }: Partial<ErofsDirent> & { newName?: string },
): void {
  const image = openErofs(bytesSource(bytes));
  const [run] = image.runs(image.inode(inodePlace(bytes, directory).nid));
  if (run?.kind !== "stored") throw new Error(`expected ${directory} in one run`);
  const start = run.physicalOffsetBytes;
  const { nameOffset: end } = ErofsDirent.decode(bytes, start);
  for (let offsetBytes = start; offsetBytes < start + end; offsetBytes += ErofsDirent.sizeBytes) {
    const { nameOffset } = ErofsDirent.decode(bytes, offsetBytes);
    const isLast = offsetBytes + ErofsDirent.sizeBytes === start + end;
    const next = isLast ? run.sizeBytes : ErofsDirent.decode(bytes, offsetBytes + ErofsDirent.sizeBytes).nameOffset;
    if (bytes.toString("utf8", start + nameOffset, start + next) !== name) continue;
    patchRecord(bytes, { record: ErofsDirent, offsetBytes }, values);
    bytes.write(newName, start + nameOffset);
    return;
  }
  throw new Error(`expected ${name} in ${directory}`);
}
