import { X509Certificate } from "node:crypto";
import { ukiError } from "../error.ts";
import type { SignerOptions } from "./options.ts";
import { pemBlocks } from "./pem.ts";
import { readPkcs11Certificates } from "./pkcs11/certificate.ts";
import { isPkcs11Uri } from "./pkcs11/uri.ts";
import { isPkcs12, openPkcs12 } from "./pkcs12.ts";
import { readSmallFile, requirePrivate } from "./private-file.ts";

/** Ordering them compares each with each. */
const MOST_CERTIFICATES = 256;

/**
 * Reads certificates: of a file, PEM, DER or PKCS#12, or of a token.
 * @param reference path of a file, relative to `options.directory`, or a PKCS#11 URI
 * @returns the first that issued no other, then its issuers as far as they are there, then the others in their order
 * @throws CvmError `certificate`; `signer` where a passphrase is wrong
 */
export async function readCertificates(reference: string, options: SignerOptions): Promise<X509Certificate[]> {
  const encoded = isPkcs11Uri(reference)
    ? await readPkcs11Certificates(reference, options)
    : await readCertificateFile(reference, options);
  const certificates = encoded.map((bytes) => decodeCertificate(bytes, reference));
  if (certificates.length > 0 && certificates.length <= MOST_CERTIFICATES) return leafFirst(certificates);
  throw ukiError(
    "certificate",
    `cannot read certificate "${reference}": expected 1 to ${MOST_CERTIFICATES} certificates, got ${certificates.length}`,
  );
}

async function readCertificateFile(path: string, options: SignerOptions): Promise<Buffer[]> {
  const file = readSmallFile(path, { directory: options.directory, what: "certificate", code: "certificate" });
  if (isPkcs12(file.bytes)) {
    requirePrivate(file, "key");
    return (await openPkcs12(file, options)).certificates;
  }
  const blocks = pemBlocks(file.bytes);
  return blocks.length === 0 ? [file.bytes] : blocks.filter(isCertificate).map(({ text }) => Buffer.from(text));
}

function decodeCertificate(bytes: Buffer, reference: string): X509Certificate {
  try {
    return new X509Certificate(bytes);
  } catch (cause) {
    const message = `cannot read certificate "${reference}": expected X.509 in PEM or DER, got something else`;
    throw ukiError("certificate", message, { cause });
  }
}

function isCertificate({ label }: { label: string }): boolean {
  return label === "CERTIFICATE" || label === "X509 CERTIFICATE";
}

function leafFirst(certificates: readonly X509Certificate[]): X509Certificate[] {
  const left = [...certificates];
  const isIssuer = (one: X509Certificate) => left.some((other) => other !== one && other.checkIssued(one));
  const chain: X509Certificate[] = [];
  let next = left.find((one) => !isIssuer(one));
  while (next) {
    const last = next;
    chain.push(last);
    left.splice(left.indexOf(last), 1);
    next = left.find((one) => last.checkIssued(one));
  }
  return [...chain, ...left];
}
