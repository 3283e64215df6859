import { X509Certificate } from "node:crypto";
import { type Guid, sha256Hex } from "@cvm-build/bytes";
import { oneLineName } from "../../cms/name.ts";
import { SIGNATURE_TYPES } from "./format.ts";
import type { SignatureList } from "./reader.ts";

/** Digests that are shown whole; of longer data the SHA-256 is. */
const MAX_SHOWN_BYTES = 64;

/** Signature lists as text: one line a signature, with type, owner, and a certificate's subject or a digest. */
export function dumpSignatureLists(lists: readonly SignatureList[]): string {
  return lists
    .flatMap(({ type, signatures }) =>
      signatures.map(({ owner, data }) => `${nameOfType(type)} owner ${owner} ${describe(type, data)}\n`),
    )
    .join("");
}

function nameOfType(type: Guid): string {
  return Object.entries(SIGNATURE_TYPES).find(([, known]) => known === type)?.[0] ?? type;
}

function describe(type: Guid, data: Buffer): string {
  if (type === SIGNATURE_TYPES.x509) return `${data.length} bytes ${subjectOf(data)}`;
  return data.length <= MAX_SHOWN_BYTES ? data.toString("hex") : `${data.length} bytes sha256 ${sha256Hex(data)}`;
}

/** A certificate's subject on one line. What firmware holds need not be a certificate. */
function subjectOf(der: Buffer): string {
  try {
    return JSON.stringify(oneLineName(new X509Certificate(der).subject));
  } catch {
    return "(not a certificate)";
  }
}
