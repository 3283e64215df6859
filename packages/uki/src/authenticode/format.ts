import { record, u16le, u32le, type ValueOf } from "@cvm-build/bytes";

/**
 * Header of an entry of the certificate table: 8 bytes, little-endian; the certificate follows.
 * @see Microsoft PE Format, "The Attribute Certificate Table (Image Only)"
 */
export const WinCertificate = record("WIN_CERTIFICATE", 8, {
  /** With the header; osslsigncode counts the padding to 8 bytes, sbsign does not. */
  lengthBytes: [0x00, u32le],
  revision: [0x04, u16le],
  certificateType: [0x06, u16le],
});
export type WinCertificate = ValueOf<typeof WinCertificate>;

/** `revision` of entries in use. */
export const WIN_CERT_REVISION_2_0 = 0x0200;
/** `certificateType` of Authenticode signatures. */
export const WIN_CERT_TYPE_PKCS_SIGNED_DATA = 0x0002;
/** Entries, and their images up to the first of them, start at multiples of this. */
export const CERTIFICATE_ALIGNMENT_BYTES = 8;

/** Largest certificate table that is read: real ones have 1 to 20 KiB. */
export const MAX_CERTIFICATE_TABLE_BYTES = 1 << 20;
/** Entries that one image may have. */
export const MAX_SIGNATURES = 32;
/** Lengths of two bytes are all that EDK2 reads where it looks for a signature's digest. */
export const MAX_SIGNATURE_BYTES = 0xffff;

/** Object identifiers. @see Windows Authenticode Portable Executable Signature Format, "Authenticode-Specific Structures" */
export const SPC_INDIRECT_DATA = "1.3.6.1.4.1.311.2.1.4";
export const SPC_PE_IMAGE_DATA = "1.3.6.1.4.1.311.2.1.15";
/** Unsigned attribute that holds an RFC 3161 time stamp. */
export const SPC_RFC3161_TIMESTAMP = "1.3.6.1.4.1.311.3.3.1";
