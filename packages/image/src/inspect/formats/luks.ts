import { ascii, FormatError, raw, record, u16be, u64be } from "@cvm-build/bytes";
import { hasBytes, type ImageFormat } from "./format.ts";

/**
 * The beginning of the binary header of both versions: 208 bytes. The fields between mean different things.
 * @see LUKS2 On-Disk Format Specification 1.1.3, "Binary Header"; LUKS1 On-Disk Format Specification 1.2.3
 */
const LuksHeader = record("LuksHeader", 208, {
  magic: [0, raw(6)],
  version: [6, u16be],
  /** LUKS2's. */
  headerSizeBytes: [8, u64be],
  sequence: [16, u64be],
  label: [24, raw(48)],
  checksumAlgorithm: [72, ascii(32)],
  salt: [104, raw(64)],
  uuid: [168, ascii(40)],
});

const MAGIC = Buffer.from("4c554b53babe", "hex");

/** An encrypted volume. What is in it is not looked at. */
export const LUKS: ImageFormat = {
  name: "luks",
  fstype: "crypto_LUKS",
  matches: (source) => hasBytes(source, 0, MAGIC),
  describe(source) {
    const { version, uuid, label } = LuksHeader.decode(
      source.read(0, Math.min(source.sizeBytes, LuksHeader.sizeBytes)),
    );
    if (version !== 1 && version !== 2) {
      throw new FormatError({ record: "LuksHeader", field: "version" }, `expected 1 or 2, got ${version}`);
    }
    const text = label.toString("utf8").replace(/\0[^]*$/, "");
    return { uuid, ...(version === 2 && { label: text }), facts: { version } };
  },
};
