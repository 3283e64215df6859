import { FormatError } from "@cvm-build/bytes";
import { decodeEfiTime, EfiTime } from "../efi-time.ts";
import {
  EFI_CERT_TYPE_PKCS7_GUID,
  WIN_CERT_REVISION,
  WIN_CERT_TYPE_EFI_GUID,
  WinCertificateUefiGuid,
} from "./format.ts";

/** The content of an `.auth` file. */
export interface AuthenticatedVariable {
  /** Firmware takes only what is later than what it has. Undefined where it is zero, as in files that append. */
  timestamp: Date | undefined;
  /** DER of the signed data. */
  signature: Buffer;
  /** What the variable becomes: signature lists. */
  data: Buffer;
}

/** Longest file that is read: a revocation list with its signature. */
const MAX_BYTES = 1 << 22;

/**
 * Reads an authenticated variable, the content of an `.auth` file. The signature is not verified: that takes the
 * variable's name, which the file does not tell.
 * @throws FormatError
 * @see UEFI Specification, section 8.2.2, "Using the EFI_VARIABLE_AUTHENTICATION_2 descriptor"
 */
export function readAuthenticatedVariable(bytes: Uint8Array): AuthenticatedVariable {
  const record = "WIN_CERTIFICATE_UEFI_GUID";
  if (bytes.byteLength > MAX_BYTES) {
    throw new FormatError({ record }, `expected at most ${MAX_BYTES} bytes, got ${bytes.byteLength}`);
  }
  const hasNoTime = bytes.subarray(0, EfiTime.sizeBytes).every((byte) => byte === 0);
  const timestamp = hasNoTime ? undefined : decodeEfiTime(bytes);
  const header = WinCertificateUefiGuid.decode(bytes, EfiTime.sizeBytes);
  const left = bytes.byteLength - EfiTime.sizeBytes;
  const expected = {
    wRevision: WIN_CERT_REVISION,
    wCertificateType: WIN_CERT_TYPE_EFI_GUID,
    certType: EFI_CERT_TYPE_PKCS7_GUID,
  } as const;
  for (const [field, value] of Object.entries(expected)) {
    const got = header[field as keyof typeof expected];
    if (got !== value) throw new FormatError({ record, field }, `expected ${value}, got ${got}`);
  }
  if (header.dwLength <= WinCertificateUefiGuid.sizeBytes || header.dwLength > left) {
    const range = `${WinCertificateUefiGuid.sizeBytes + 1}..${left}`;
    throw new FormatError({ record, field: "dwLength" }, `expected ${range}, got ${header.dwLength}`);
  }
  const content = Buffer.from(bytes.subarray(EfiTime.sizeBytes));
  return {
    timestamp,
    signature: content.subarray(WinCertificateUefiGuid.sizeBytes, header.dwLength),
    data: content.subarray(header.dwLength),
  };
}
