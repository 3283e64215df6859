import type { X509Certificate } from "node:crypto";
import { encodeGuid, type Guid } from "@cvm-build/bytes";
import { OID } from "../../cms/format.ts";
import { encodeSignedData } from "../../cms/writer.ts";
import type { Signer } from "../../signer/signer.ts";
import { encodeEfiTime } from "../efi-time.ts";
import { KEY_ATTRIBUTES, VARIABLE_ATTRIBUTES } from "../variables.ts";
import {
  EFI_CERT_TYPE_PKCS7_GUID,
  WIN_CERT_REVISION,
  WIN_CERT_TYPE_EFI_GUID,
  WinCertificateUefiGuid,
} from "./format.ts";

/** What an authenticated variable is to become. */
export interface VariableUpdate {
  name: string;
  vendor: Guid;
  /** Signature lists. */
  data: Buffer;
  /** Firmware takes only what is later than what it has, to the second. */
  timestamp: Date;
  /** Adds to what the variable holds; the time then does not count. Default: replaces it. */
  append?: boolean;
}

/**
 * The bytes that the signature of an authenticated variable covers, for whoever signs elsewhere.
 * @see UEFI Specification, section 8.2.2, "Using the EFI_VARIABLE_AUTHENTICATION_2 descriptor"
 */
export function authenticatedContent({ name, vendor, data, timestamp, append = false }: VariableUpdate): Buffer {
  const attributes = Buffer.alloc(4);
  attributes.writeUInt32LE(append ? KEY_ATTRIBUTES | VARIABLE_ATTRIBUTES.appendWrite : KEY_ATTRIBUTES);
  return Buffer.concat([Buffer.from(name, "utf16le"), encodeGuid(vendor), attributes, encodeEfiTime(timestamp), data]);
}

/**
 * Signs an update of PK, KEK, db or dbx: the content of an `.auth` file, which firmware and systemd-boot enrol.
 * @param options.signer holds the key above the variable's: PK for PK and KEK, KEK for db and dbx
 * @param options.certificates the signer's own first
 * @throws CvmError `certificate` where the certificate is not the signer's, `signer` where it fails
 */
export async function encodeAuthenticatedVariable(
  update: VariableUpdate,
  { signer, certificates }: { signer: Signer; certificates: readonly X509Certificate[] },
): Promise<Buffer> {
  const signature = await encodeSignedData({
    signer,
    certificates,
    // The only digest that firmware has to take.
    hash: "sha256",
    content: { type: OID.data, bytes: authenticatedContent(update) },
    detached: true,
    attributes: "none",
    wrapped: false,
  });
  const header = WinCertificateUefiGuid.encode({
    dwLength: WinCertificateUefiGuid.sizeBytes + signature.length,
    wRevision: WIN_CERT_REVISION,
    wCertificateType: WIN_CERT_TYPE_EFI_GUID,
    certType: EFI_CERT_TYPE_PKCS7_GUID,
  });
  return Buffer.concat([encodeEfiTime(update.timestamp), header, signature, update.data]);
}
