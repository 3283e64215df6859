import { ascii, raw, record, type ValueOf } from "@cvm-build/bytes";

/**
 * What an ar archive begins with.
 * @see deb(5), "FORMAT"
 */
export const AR_MAGIC = "!<arch>\n";

/** What ends every member header. */
export const AR_MEMBER_END = Buffer.from("`\n", "latin1");

/**
 * Header of an ar member: 60 bytes of text, fields padded with spaces, numbers decimal but for the octal mode.
 * @see deb(5), "FORMAT"; FreeBSD ar(5)
 */
export const ArMemberHeader = record("ArMemberHeader", 60, {
  name: [0, ascii(16)],
  mtimeSec: [16, ascii(12)],
  uid: [28, ascii(6)],
  gid: [34, ascii(6)],
  mode: [40, ascii(8)],
  sizeBytes: [48, ascii(10)],
  end: [58, raw(2)],
});
export type ArMemberHeader = ValueOf<typeof ArMemberHeader>;

/** Members start at even offsets. */
export const AR_ALIGNMENT = 2;
