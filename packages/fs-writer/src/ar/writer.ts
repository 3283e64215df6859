import { CvmError, paddingTo } from "@cvm-build/bytes";
import { AR_ALIGNMENT, AR_MAGIC, AR_MEMBER_END, ArMemberHeader } from "./format.ts";

/** A member to put into an ar archive; root's, 0644, of 1970. */
export interface ArInput {
  /** At most 16 ASCII characters without a slash. */
  name: string;
  bytes: Uint8Array;
}

/**
 * An ar archive as dpkg-deb writes it.
 * @throws CvmError `archive` where a name does not fit the header
 * @see deb(5), "FORMAT"
 */
export function encodeAr(members: readonly ArInput[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(AR_MAGIC, "latin1")];
  for (const { name, bytes } of members) {
    if (!/^[\x21-\x2e\x30-\x7e]{1,16}$/.test(name) || name.startsWith("#")) {
      throw new CvmError("archive", `cannot pack ar member ${JSON.stringify(name)}: expected 1 to 16 plain characters`);
    }
    const header = ArMemberHeader.encode({
      name: name.padEnd(16),
      mtimeSec: "0".padEnd(12),
      uid: "0".padEnd(6),
      gid: "0".padEnd(6),
      mode: "100644".padEnd(8),
      sizeBytes: String(bytes.length).padEnd(10),
      end: AR_MEMBER_END,
    });
    parts.push(header, bytes, Buffer.alloc(paddingTo(bytes.length, AR_ALIGNMENT), "\n"));
  }
  return Buffer.concat(parts);
}
