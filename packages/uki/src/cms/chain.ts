import type { X509Certificate } from "node:crypto";
import { readCertificateFields } from "./certificate.ts";
import { ECDSA_WITH_DIGEST, OID, RSA_WITH_DIGEST } from "./format.ts";
import { describeKey, publicKeyOf } from "./key.ts";

/** What certificates may be signed with. */
const SIGNATURE_ALGORITHMS: ReadonlySet<string> = new Set([
  ...Object.values(RSA_WITH_DIGEST),
  ...Object.values(ECDSA_WITH_DIGEST),
]);

/** Extensions whose meaning is heeded, or, as purposes and other names, has none where images are verified. */
const UNDERSTOOD_EXTENSIONS: ReadonlySet<string> = new Set([
  OID.basicConstraints,
  OID.keyUsage,
  OID.extendedKeyUsage,
  OID.subjectAlternativeName,
]);

/** Certificates from which a chain may be made, and those that end it. */
export interface ChainMaterial {
  /** What the signature brought along, trusted by nobody. */
  certificates: readonly X509Certificate[];
  /** Each of them is trusted for itself, whoever issued it: an authority or the signer's own. */
  trusted: readonly X509Certificate[];
}

/**
 * Looks for a chain from a certificate to a trusted one, as firmware does: the first trusted certificate ends it, be it
 * self-signed or not, and dates are not looked at, since firmware has no clock that it trusts. Authorities must say that
 * they are, path lengths are kept to, and critical extensions must be known. Certificates signed with SHA-1 or with keys
 * that images may not be signed with lead nowhere.
 * @returns both included, or undefined where there is none
 * @see RFC 5280, 6.1; EDK2, CryptoPkg/Library/BaseCryptLib/Pk/CryptPkcs7VerifyCommon.c
 */
export function findChain(leaf: X509Certificate, material: ChainMaterial): X509Certificate[] | undefined {
  const trusted = new Set(material.trusted.map(({ fingerprint256 }) => fingerprint256));
  const candidates = [...material.trusted, ...material.certificates];
  const seen = new Set<string>();

  function extend(chain: X509Certificate[], last: X509Certificate): X509Certificate[] | undefined {
    if (!isUnderstood(last)) return undefined;
    if (trusted.has(last.fingerprint256)) return chain;
    seen.add(last.fingerprint256);
    for (const issuer of candidates) {
      if (seen.has(issuer.fingerprint256) || !hasIssued(issuer, last, chain.length - 1)) continue;
      const found = extend([...chain, issuer], issuer);
      if (found) return found;
    }
    return undefined;
  }

  return extend([leaf], leaf);
}

/** @param authoritiesBetween how many stand between the issuer and the end of the chain */
function hasIssued(issuer: X509Certificate, subject: X509Certificate, authoritiesBetween: number): boolean {
  if (!issuer.ca || !subject.checkIssued(issuer)) return false;
  const { pathLength = Infinity } = readCertificateFields(issuer.raw);
  if (authoritiesBetween > pathLength) return false;
  if (!SIGNATURE_ALGORITHMS.has(readCertificateFields(subject.raw).signatureAlgorithm)) return false;
  const key = publicKeyOf(issuer);
  if (!key || !describeKey(key).kind) return false;
  try {
    return subject.verify(key);
  } catch {
    return false;
  }
}

function isUnderstood(certificate: X509Certificate): boolean {
  return readCertificateFields(certificate.raw).criticalExtensions.every((type) => UNDERSTOOD_EXTENSIONS.has(type));
}
