import { FormatError, readDer } from "@cvm-build/bytes";
import { readSignedData, type SignedData } from "../cms/reader.ts";
import { SPC_INDIRECT_DATA } from "./format.ts";
import { type IndirectData, readIndirectData } from "./indirect-data.ts";

/** An Authenticode signature, decoded and not yet verified. */
export interface AuthenticodeSignature {
  signed: SignedData;
  indirect: IndirectData;
}

/**
 * Reads an Authenticode signature.
 * @param bytes DER `ContentInfo`, and zeros up to the next multiple of 8 where they were counted in
 * @throws FormatError where it is none, or has not one signer
 */
export function readSignature(bytes: Buffer): AuthenticodeSignature {
  const { encoded } = readDer(bytes);
  const place = { record: "SignedData" };
  if (bytes.subarray(encoded.length).some((byte) => byte !== 0)) {
    throw new FormatError({ ...place, offsetBytes: encoded.length }, "expected zeros after it");
  }
  const signed = readSignedData(encoded);
  if (signed.contentType !== SPC_INDIRECT_DATA) {
    const expectation = `expected ${SPC_INDIRECT_DATA} (SpcIndirectDataContent), got ${signed.contentType}`;
    throw new FormatError({ ...place, field: "contentType" }, expectation);
  }
  if (signed.signers.length !== 1) {
    throw new FormatError({ ...place, field: "signerInfos" }, `expected one signer, got ${signed.signers.length}`);
  }
  return { signed, indirect: readIndirectData(signed.content) };
}
