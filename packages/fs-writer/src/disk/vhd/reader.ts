import { type ByteSource, FormatError, sliceSource } from "@cvm-build/bytes";
import { VHD_COOKIE, VHD_DISK_TYPES, VHD_FIXED, VHD_VERSION, vhdChecksum, VhdFooter } from "./format.ts";

/** Says whether a source ends with a footer. */
export function isVhd(source: ByteSource): boolean {
  const offsetBytes = source.sizeBytes - VhdFooter.sizeBytes;
  return offsetBytes >= 0 && source.read(offsetBytes, VHD_COOKIE.length).toString("latin1") === VHD_COOKIE;
}

/**
 * A fixed VHD's disk.
 * @throws FormatError where the footer is damaged, or the disk is of another kind
 * @see Microsoft, Virtual Hard Disk Image Format Specification 1.0
 */
export function openVhd(source: ByteSource): ByteSource {
  return sliceSource(source, 0, Number(readVhdFooter(source).currentSizeBytes));
}

/**
 * Reads and checks the footer of a fixed VHD.
 * @throws FormatError
 */
export function readVhdFooter(source: ByteSource): VhdFooter {
  const offsetBytes = Math.max(0, source.sizeBytes - VhdFooter.sizeBytes);
  const bytes = source.read(offsetBytes, Math.min(source.sizeBytes, VhdFooter.sizeBytes));
  const footer = VhdFooter.decode(bytes);
  const refuse = (field: string, expectation: string) =>
    new FormatError({ record: "VhdFooter", field, offsetBytes }, `expected ${expectation}`);
  if (footer.cookie !== VHD_COOKIE) throw refuse("cookie", `"${VHD_COOKIE}"`);
  if (footer.checksum !== vhdChecksum(bytes)) throw refuse("checksum", "the footer's checksum");
  if (footer.version !== VHD_VERSION) throw refuse("version", "1.0");
  if (footer.diskType !== VHD_FIXED) {
    throw refuse("diskType", `a fixed disk, got ${VHD_DISK_TYPES[footer.diskType] ?? footer.diskType}`);
  }
  if (footer.currentSizeBytes > BigInt(offsetBytes)) {
    throw refuse("currentSizeBytes", `at most ${offsetBytes}, got ${footer.currentSizeBytes}`);
  }
  return footer;
}
