import { X509Certificate } from "node:crypto";
import { ukiError } from "../error.ts";
import type { SignerOptions } from "./options.ts";
import { pemBlocks } from "./pem.ts";
import { isPkcs12, openPkcs12 } from "./pkcs12.ts";
import { readSmallFile, requirePrivate, type SmallFile } from "./private-file.ts";
import type { Signer } from "./signer.ts";

/** Ordering them compares each with each. */
const MOST_CERTIFICATES = 256;

/**
 * Reads certificates: PEM, DER or PKCS#12.
 * @param path relative to `options.directory`
 * @returns the first that issued no other, then its issuers as far as they are there, then the others in their order
 * @throws CvmError `certificate`; `signer` where a passphrase is wrong
 */
export async function readCertificates(path: string, options: SignerOptions): Promise<X509Certificate[]> {
  const file = readSmallFile(path, { directory: options.directory, what: "certificate", code: "certificate" });
  const certificates = await decodeCertificates(file, options);
  if (certificates.length > 0 && certificates.length <= MOST_CERTIFICATES) return leafFirst(certificates);
  throw ukiError(
    "certificate",
    `cannot read certificate "${path}": expected 1 to ${MOST_CERTIFICATES} certificates, got ${certificates.length}`,
  );
}

/**
 * Holds a certificate against the key that is to sign in its name.
 * @throws CvmError `certificate` where it certifies another key
 */
export function checkPair(signer: Signer, certificate: X509Certificate): void {
  if (certificate.publicKey.equals(signer.publicKey)) return;
  const subject = certificate.subject.replaceAll("\n", ", ");
  throw ukiError("certificate", `cannot use certificate "${subject}": expected the signer's key, got another key`, {
    hint: "name the certificate that was issued for this key",
  });
}

async function decodeCertificates(file: SmallFile, options: SignerOptions): Promise<X509Certificate[]> {
  if (isPkcs12(file.bytes)) {
    requirePrivate(file, "key");
    return (await openPkcs12(file, options)).certificates;
  }
  const blocks = pemBlocks(file.bytes);
  const encoded =
    blocks.length === 0 ? [file.bytes] : blocks.filter(isCertificate).map(({ text }) => Buffer.from(text));
  return encoded.map((bytes) => {
    try {
      return new X509Certificate(bytes);
    } catch (cause) {
      const message = `cannot read certificate "${file.path}": expected X.509 in PEM or DER, got something else`;
      throw ukiError("certificate", message, { cause });
    }
  });
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
