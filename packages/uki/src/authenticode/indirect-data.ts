import { DerTag, type DerValue } from "@cvm-build/bytes";
import { DerFields } from "../asn1/reader.ts";
import { constructed, NO_BITS, NULL, objectIdentifier, octetString, primitive, sequence } from "../asn1/writer.ts";
import { readAlgorithm } from "../cms/certificate.ts";
import { DIGEST_OID } from "../cms/format.ts";
import type { SignatureHash } from "../signer/signer.ts";
import { SPC_PE_IMAGE_DATA } from "./format.ts";

/** What a signature says of the image that it is for. */
export interface IndirectData {
  /** Object identifier. */
  digestAlgorithm: string;
  digest: Buffer;
}

/** Text of the moniker that names no file; signing tools all write it. */
const OBSOLETE = Buffer.from("<<<Obsolete>>>", "utf16le").swap16();

/**
 * Encodes an image's digest as the content that Authenticode signs, byte for byte as sbsign.
 * @returns the contents of the `SpcIndirectDataContent`, without its tag and length
 * @see Windows Authenticode Portable Executable Signature Format, "SpcIndirectDataContent"
 */
export function encodeIndirectData(hash: SignatureHash, imageDigest: Buffer): Buffer {
  // SpcPeImageData without flags, whose file is the SpcString of an SpcLink.
  const peImageData = sequence(NO_BITS, constructed(0, constructed(2, primitive(0, OBSOLETE))));
  return Buffer.concat([
    sequence(objectIdentifier(SPC_PE_IMAGE_DATA), peImageData),
    sequence(sequence(objectIdentifier(DIGEST_OID[hash]), NULL), octetString(imageDigest)),
  ]);
}

/**
 * Reads an image's digest out of an `SpcIndirectDataContent`.
 * @throws FormatError where the content is none
 */
export function readIndirectData(content: DerValue | undefined): IndirectData {
  const fields = new DerFields(content, DerTag.sequence, "SpcIndirectDataContent");
  // What kind of thing it is, firmware does not look at, and pesign names another kind: the digest decides.
  fields.take(DerTag.sequence, "data");
  const info = new DerFields(fields.take(DerTag.sequence, "messageDigest"), DerTag.sequence, "DigestInfo");
  fields.end();
  const algorithm = readAlgorithm(info.take(DerTag.sequence, "digestAlgorithm"));
  const { contents } = info.take(DerTag.octetString, "digest");
  info.end();
  return { digestAlgorithm: algorithm, digest: contents };
}
