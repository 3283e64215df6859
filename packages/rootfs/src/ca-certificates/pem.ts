import { FormatError } from "@cvm-build/bytes";

const CERTIFICATE = /-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----([^-]*)-----END \1?CERTIFICATE-----/g;

/**
 * The certificates in a PEM text, as DER.
 * @throws FormatError where the text between the lines is not base64
 * @see RFC 7468, 5
 */
export function readPemCertificates(text: string): Buffer[] {
  return Array.from(text.matchAll(CERTIFICATE), ([, , body = ""]) => {
    const base64 = body.replace(/\s+/g, "");
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) throw new FormatError({ record: "PEM" }, "expected base64");
    return Buffer.from(base64, "base64");
  });
}
