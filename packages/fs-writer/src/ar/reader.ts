import { alignUp, type ByteSource, FormatError } from "@cvm-build/bytes";
import { AR_ALIGNMENT, AR_MAGIC, AR_MEMBER_END, ArMemberHeader } from "./format.ts";

/** A member of an ar archive, by place. */
export interface ArMember {
  /** Without the padding and the slash that GNU ar ends it with. */
  name: string;
  mtimeSec: number;
  uid: number;
  gid: number;
  mode: number;
  /** Where its bytes start in the archive. */
  offsetBytes: number;
  sizeBytes: number;
}

/** A .deb has three members and may have a few more; nothing needs this many. */
const MAX_MEMBERS = 4096;

/**
 * The members of an ar archive such as a .deb, in order, without reading what is in them.
 * @throws FormatError where it is no ar archive, ends early, or uses the extended names that a .deb must not have
 * @see deb(5), "FORMAT"
 */
export function readAr(source: ByteSource): ArMember[] {
  const magic = source.read(0, Math.min(AR_MAGIC.length, source.sizeBytes)).toString("latin1");
  if (magic !== AR_MAGIC) {
    throw new FormatError({ record: "ar", offsetBytes: 0 }, `expected an archive that begins with "!<arch>"`);
  }
  const members: ArMember[] = [];
  for (let offset = AR_MAGIC.length; offset < source.sizeBytes;) {
    if (members.length === MAX_MEMBERS) {
      throw new FormatError({ record: "ar", offsetBytes: offset }, `expected at most ${MAX_MEMBERS} members`);
    }
    const member = decodeMember(source, offset);
    members.push(member);
    offset = alignUp(member.offsetBytes + member.sizeBytes, AR_ALIGNMENT);
  }
  return members;
}

function decodeMember(source: ByteSource, headerOffsetBytes: number): ArMember {
  const leftBytes = source.sizeBytes - headerOffsetBytes;
  if (leftBytes < ArMemberHeader.sizeBytes) {
    throw new FormatError(
      { record: "ArMemberHeader", offsetBytes: headerOffsetBytes },
      `expected ${ArMemberHeader.sizeBytes} bytes, got ${leftBytes}`,
    );
  }
  const header = ArMemberHeader.decode(source.read(headerOffsetBytes, ArMemberHeader.sizeBytes));
  const fail = (field: keyof typeof header, expected: string): never => {
    const offsetBytes = headerOffsetBytes + ArMemberHeader.offsetOf(field);
    throw new FormatError(
      { record: "ArMemberHeader", field, offsetBytes },
      `expected ${expected}, got ${JSON.stringify(String(header[field]))}`,
    );
  };
  const decodeNumber = (field: Exclude<keyof typeof header, "end">, radix: 8 | 10): number => {
    const text = header[field].trimEnd();
    const digits = radix === 8 ? /^[0-7]*$/ : /^[0-9]*$/;
    return digits.test(text)
      ? Number.parseInt(text || "0", radix)
      : fail(field, radix === 8 ? "octal digits" : "digits");
  };
  if (!header.end.equals(AR_MEMBER_END)) fail("end", "a grave accent and a newline");
  const name = header.name.trimEnd().replace(/\/$/, "");
  if (!/^[^/#]+$/.test(name)) fail("name", "a plain member name");
  if (header.sizeBytes.trim() === "") fail("sizeBytes", "digits");
  const offsetBytes = headerOffsetBytes + ArMemberHeader.sizeBytes;
  const sizeBytes = decodeNumber("sizeBytes", 10);
  if (sizeBytes > source.sizeBytes - offsetBytes) {
    fail("sizeBytes", `at most the ${source.sizeBytes - offsetBytes} bytes that are left`);
  }
  return {
    name,
    mtimeSec: decodeNumber("mtimeSec", 10),
    uid: decodeNumber("uid", 10),
    gid: decodeNumber("gid", 10),
    mode: decodeNumber("mode", 8),
    offsetBytes,
    sizeBytes,
  };
}
