import { FormatError } from "@cvm-build/bytes";
import { decodeArchiveText } from "../archive-text.ts";
import { TAR_BLOCK_BYTES, TarHeader, USTAR_MAGIC } from "./format.ts";

/** A header block whose checksum is right; numbers that make no sense are NaN until they are needed. */
export interface TarBlock {
  header: TarHeader;
  typeflag: string;
  offsetBytes: number;
}

/**
 * Decodes a header block.
 * @param offsetBytes where it starts in the archive, for errors
 * @throws FormatError where its checksum is wrong
 */
export function decodeTarBlock(block: Buffer, offsetBytes: number): TarBlock {
  const header = TarHeader.decode(block);
  if (!isChecksum(block, header.checksum)) {
    throw new FormatError(
      { record: "TarHeader", field: "checksum", offsetBytes },
      "expected the sum of the header's bytes",
    );
  }
  return { header, typeflag: Buffer.from(header.typeflag).toString("latin1"), offsetBytes };
}

/** Says whether a block is all zeros: the end of the archive. */
export function isZeroBlock(block: Buffer): boolean {
  return block.equals(ZERO_BLOCK);
}

/**
 * A number of the header.
 * @throws FormatError where it is no number, or negative where that makes no sense
 */
export function numberOf(
  { header, offsetBytes }: TarBlock,
  field: "mode" | "uid" | "gid" | "sizeBytes" | "mtimeSec" | "devmajor" | "devminor",
): number {
  const value = header[field];
  if (Number.isSafeInteger(value) && (value >= 0 || field === "mtimeSec")) return value;
  const place = { record: "TarHeader", field, offsetBytes: offsetBytes + TarHeader.offsetOf(field) };
  throw new FormatError(place, `expected a number, got ${Number.isNaN(value) ? "none" : value}`);
}

/** The entry's name, with the prefix that POSIX ustar splits off. */
export function nameOf({ header, offsetBytes }: TarBlock): string {
  const place = { record: "TarHeader", field: "name", offsetBytes };
  const name = decodeArchiveText(header.name, place);
  const isUstar = Buffer.from(header.magic).toString("latin1") === USTAR_MAGIC;
  const prefix = isUstar ? decodeArchiveText(header.prefix, place) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** What a link leads to. */
export function linknameOf({ header, offsetBytes }: TarBlock): string {
  const field = "linkname";
  return decodeArchiveText(header.linkname, {
    record: "TarHeader",
    field,
    offsetBytes: offsetBytes + TarHeader.offsetOf(field),
  });
}

/**
 * The sum of all bytes with the checksum field as spaces. Some old tars summed signed bytes.
 * @see POSIX.1-2017, pax, "ustar Interchange Format", chksum
 */
function isChecksum(block: Buffer, expected: number): boolean {
  const start = TarHeader.offsetOf("checksum");
  let unsigned = 0;
  let highBytes = 0;
  for (let at = 0; at < TAR_BLOCK_BYTES; at++) {
    const byte = at >= start && at < start + 8 ? 0x20 : (block[at] ?? 0);
    unsigned += byte;
    if (byte >= 0x80) highBytes++;
  }
  return expected === unsigned || expected === unsigned - 256 * highBytes;
}

const ZERO_BLOCK = Buffer.alloc(TAR_BLOCK_BYTES);
