import { guid, type Guid, record, u16le, u32le, type ValueOf } from "@cvm-build/bytes";

/**
 * What stands between time and signature of an authenticated variable: 24 bytes.
 * @see UEFI Specification, section 32.2.4, `WIN_CERTIFICATE_UEFI_GUID`; section 8.2.2, `EFI_VARIABLE_AUTHENTICATION_2`
 */
export const WinCertificateUefiGuid = record("WIN_CERTIFICATE_UEFI_GUID", 24, {
  dwLength: [0x00, u32le],
  wRevision: [0x04, u16le],
  wCertificateType: [0x06, u16le],
  certType: [0x08, guid],
});
export type WinCertificateUefiGuid = ValueOf<typeof WinCertificateUefiGuid>;

/** The only revision of a certificate that there is. */
export const WIN_CERT_REVISION = 0x0200;
/** `wCertificateType` of a certificate whose kind a GUID tells. */
export const WIN_CERT_TYPE_EFI_GUID = 0x0ef1;
/** `certType` of PKCS #7 signed data. */
export const EFI_CERT_TYPE_PKCS7_GUID: Guid = "4aafd29d-68df-49ee-8aa9-347d375665a7";
