import { assert, encodeGuid, type Guid } from "@cvm-build/bytes";
import { SIGNATURE_OWNER_BYTES, SIGNATURE_TYPES, SignatureListHeader } from "./format.ts";
import type { Signature, SignatureList } from "./reader.ts";

/**
 * Signature lists as a variable or an `.esl` file holds them.
 * @param lists each with at least one signature, all of one size
 */
export function encodeSignatureLists(lists: readonly SignatureList[]): Buffer {
  return Buffer.concat(lists.map(encodeSignatureList));
}

/** A certificate as firmware wants it in PK, KEK and db: a list of its own, since sizes within a list are equal. */
export function certificateList(certificate: { owner: Guid; der: Uint8Array }): SignatureList {
  const { owner, der } = certificate;
  return { type: SIGNATURE_TYPES.x509, header: Buffer.alloc(0), signatures: [{ owner, data: Buffer.from(der) }] };
}

/** Authenticode digests, SHA-256, as db and dbx hold them. */
export function digestList(digests: { owner: Guid; sha256: readonly Uint8Array[] }): SignatureList {
  const signatures = digests.sha256.map((digest) => ({ owner: digests.owner, data: Buffer.from(digest) }));
  return { type: SIGNATURE_TYPES.sha256, header: Buffer.alloc(0), signatures };
}

/** `SignatureOwner` and `SignatureData` of one signature: what firmware measures of the one that verified an image. */
export function encodeSignature({ owner, data }: Signature): Buffer {
  return Buffer.concat([encodeGuid(owner), data]);
}

function encodeSignatureList({ type, header, signatures }: SignatureList): Buffer {
  const [first] = signatures;
  assert(first !== undefined, "a signature list has at least one signature");
  const sizeBytes = SIGNATURE_OWNER_BYTES + first.data.length;
  const encoded = signatures.map(encodeSignature);
  assert(
    encoded.every(({ length }) => length === sizeBytes),
    "the signatures of a list are of one size",
  );
  const head = SignatureListHeader.encode({
    signatureType: type,
    signatureListSize: SignatureListHeader.sizeBytes + header.length + signatures.length * sizeBytes,
    signatureHeaderSize: header.length,
    signatureSize: sizeBytes,
  });
  return Buffer.concat([head, header, ...encoded]);
}
