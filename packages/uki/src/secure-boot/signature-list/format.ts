import { guid, type Guid, record, u32le, type ValueOf } from "@cvm-build/bytes";

/**
 * Head of a list of signatures of one type and size: 28 bytes.
 * @see UEFI Specification, section 32.4.1, `EFI_SIGNATURE_LIST`
 */
export const SignatureListHeader = record("EFI_SIGNATURE_LIST", 28, {
  signatureType: [0x00, guid],
  signatureListSize: [0x10, u32le],
  signatureHeaderSize: [0x14, u32le],
  signatureSize: [0x18, u32le],
});
export type SignatureListHeader = ValueOf<typeof SignatureListHeader>;

/** Size of `SignatureOwner`, which stands before each signature's data. @see `EFI_SIGNATURE_DATA` */
export const SIGNATURE_OWNER_BYTES = 16;

/** Types of signatures by the specification's name, without its prefix. @see UEFI Specification, section 32.4.1 */
export const SIGNATURE_TYPES = {
  x509: "a5c059a1-94e4-4aa7-87b5-ab155c2bf072",
  sha1: "826ca512-cf10-4ac9-b187-be01496631bd",
  sha224: "0b6e5233-a65c-44c9-9407-d9ab83bfc8bd",
  sha256: "c1c41626-504c-4092-aca9-41f936934328",
  sha384: "ff3e5307-9fd0-48c9-85f1-8ad56c701e01",
  sha512: "093e0fae-a6c4-4f50-9f1b-d41e2b89c19a",
  rsa2048: "3c5766e8-269c-4e34-aa14-ed776e85b3b6",
  rsa2048Sha256: "e2b36190-879b-4a3d-ad8d-f2e7bba32784",
  x509Sha256: "3bd2a492-96c0-4079-b420-fcf98ef103ed",
  x509Sha384: "7076876e-80c2-4ee6-aad2-28b349a6865b",
  x509Sha512: "446dbf63-2502-4cda-bcfa-2465d2b0fe9d",
} as const satisfies Record<string, Guid>;
/** Name of a type of signatures. */
export type SignatureTypeName = keyof typeof SIGNATURE_TYPES;

/** Largest variable of signature lists that is read; real revocation lists have some tens of kilobytes. */
export const MAX_SIGNATURE_LISTS_BYTES = 1 << 22;
