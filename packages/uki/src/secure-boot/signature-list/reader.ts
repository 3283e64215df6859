import { decodeGuid, FormatError, type Guid } from "@cvm-build/bytes";
import { MAX_SIGNATURE_LISTS_BYTES, SIGNATURE_OWNER_BYTES, SignatureListHeader } from "./format.ts";

/** One signature of a list: a certificate, a digest. */
export interface Signature {
  /** Who put it there. */
  owner: Guid;
  data: Buffer;
}

/** Signatures of one type and size. */
export interface SignatureList {
  /** One of `SIGNATURE_TYPES`, or a type that is not known. */
  type: Guid;
  /** Empty for every type that there is. */
  header: Buffer;
  signatures: Signature[];
}

/**
 * Reads signature lists: the content of PK, KEK, db or dbx, or of an `.esl` file.
 * @throws FormatError where the bytes are not whole lists
 * @see UEFI Specification, section 32.4.1, "Signature Database"
 */
export function readSignatureLists(bytes: Uint8Array): SignatureList[] {
  if (bytes.byteLength > MAX_SIGNATURE_LISTS_BYTES) {
    throw new FormatError(
      { record: "EFI_SIGNATURE_LIST" },
      `expected at most ${MAX_SIGNATURE_LISTS_BYTES} bytes of signature lists, got ${bytes.byteLength}`,
    );
  }
  const lists: SignatureList[] = [];
  // Each list has at least the size of its header, which bounds the loop.
  for (let offset = 0; offset < bytes.byteLength;) {
    const { list, sizeBytes } = readSignatureList(bytes, offset);
    lists.push(list);
    offset += sizeBytes;
  }
  return lists;
}

function readSignatureList(bytes: Uint8Array, offset: number): { list: SignatureList; sizeBytes: number } {
  const header = SignatureListHeader.decode(bytes, offset);
  const { signatureListSize, signatureHeaderSize, signatureSize } = header;
  const refuse = (field: keyof typeof header, expectation: string): never => {
    const offsetBytes = offset + SignatureListHeader.offsetOf(field);
    throw new FormatError({ record: "EFI_SIGNATURE_LIST", field, offsetBytes }, expectation);
  };
  const left = bytes.byteLength - offset;
  if (signatureListSize < SignatureListHeader.sizeBytes || signatureListSize > left) {
    refuse("signatureListSize", `expected ${SignatureListHeader.sizeBytes}..${left}, got ${signatureListSize}`);
  }
  const room = signatureListSize - SignatureListHeader.sizeBytes;
  if (signatureHeaderSize > room) refuse("signatureHeaderSize", `expected at most ${room}, got ${signatureHeaderSize}`);
  if (signatureSize < SIGNATURE_OWNER_BYTES) {
    refuse("signatureSize", `expected at least ${SIGNATURE_OWNER_BYTES}, got ${signatureSize}`);
  }
  const signaturesBytes = room - signatureHeaderSize;
  if (signaturesBytes % signatureSize !== 0) {
    refuse("signatureSize", `expected a divisor of ${signaturesBytes}, got ${signatureSize}`);
  }
  const content = Buffer.from(bytes.subarray(offset + SignatureListHeader.sizeBytes, offset + signatureListSize));
  const signatures = Array.from({ length: signaturesBytes / signatureSize }, (_, index) => {
    const start = signatureHeaderSize + index * signatureSize;
    return {
      owner: decodeGuid(content.subarray(start, start + SIGNATURE_OWNER_BYTES)),
      data: content.subarray(start + SIGNATURE_OWNER_BYTES, start + signatureSize),
    };
  });
  const list = { type: header.signatureType, header: content.subarray(0, signatureHeaderSize), signatures };
  return { list, sizeBytes: signatureListSize };
}
