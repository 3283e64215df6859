import { type KeyObject, verify, type X509Certificate } from "node:crypto";
import { DerTag, digest } from "@cvm-build/bytes";
import { objectIdentifier } from "../asn1/writer.ts";
import { type SignatureHash, SIGNATURE_HASHES } from "../signer/signer.ts";
import { readCertificateFields } from "./certificate.ts";
import { findChain } from "./chain.ts";
import { DIGEST_OID, EC_PUBLIC_KEY, ECDSA_WITH_DIGEST, OID, RSA_ENCRYPTION, RSA_WITH_DIGEST } from "./format.ts";
import { describeKey, type KeyKind, publicKeyOf, SUPPORTED_KEYS } from "./key.ts";
import type { SignedAttributes, SignedData, SignerInfo } from "./reader.ts";

/** What a signature is verified against. */
export interface VerifyOptions {
  /** Each is trusted for itself: an authority, or the signer's own certificate. */
  trusted: readonly X509Certificate[];
  /** What is signed, where the signature does not hold it. */
  content?: Buffer;
}

/** What came out for one signer. */
export interface SignerVerification {
  /** The signer's own, where the signature brought it along. */
  certificate?: X509Certificate;
  /** Such as `RSA-2048`. */
  key?: string;
  hash?: SignatureHash;
  /** Why the signature is not one of this certificate over this content, in words; absent where it is. */
  problem?: string;
  /** From the signer's certificate to a trusted one, both included; absent where none is reached. */
  chain?: X509Certificate[];
}

/**
 * Verifies each signer's signature and looks for a chain from its certificate to a trusted one. A signature counts
 * where there is a chain and no problem. Dates are not looked at: see `findChain`.
 * @see RFC 5652, 5.4 and 5.6
 */
export function verifySignedData(signed: SignedData, options: VerifyOptions): SignerVerification[] {
  return signed.signers.map((signer) => verifySigner(signed, signer, options));
}

function verifySigner(signed: SignedData, signer: SignerInfo, options: VerifyOptions): SignerVerification {
  const hash = SIGNATURE_HASHES.find((name) => DIGEST_OID[name] === signer.digestAlgorithm);
  const certificate = signed.certificates.find((candidate) => isOf(candidate, signer));
  if (!certificate) return { ...(hash && { hash }), problem: "expected the signer's certificate, got none that fits" };
  const publicKey = publicKeyOf(certificate);
  const { kind, name } = describeKey(publicKey);
  const problem =
    publicKey && kind
      ? findProblem(signed, signer, { hash, kind, publicKey, content: options.content ?? signed.content?.contents })
      : `expected a key that is ${SUPPORTED_KEYS}, got ${name}`;
  const chain = findChain(certificate, { certificates: signed.certificates, trusted: options.trusted });
  return {
    certificate,
    key: name,
    ...(hash && { hash }),
    ...(problem !== undefined && { problem }),
    ...(chain && { chain }),
  };
}

function isOf(certificate: X509Certificate, { issuer, serialNumber }: SignerInfo): boolean {
  const fields = readCertificateFields(certificate.raw);
  return fields.issuer.equals(issuer) && fields.serialNumber.equals(serialNumber);
}

interface Material {
  hash: SignatureHash | undefined;
  kind: KeyKind;
  publicKey: KeyObject;
  content: Buffer | undefined;
}

function findProblem(signed: SignedData, signer: SignerInfo, material: Material): string | undefined {
  const { content, hash, kind, publicKey } = material;
  if (!hash) return `expected ${SIGNATURE_HASHES.join(", ")}, got digest ${signer.digestAlgorithm}`;
  // Firmware and OpenSSL compute the digests that are named there, and no other.
  if (!signed.digestAlgorithms.includes(signer.digestAlgorithm))
    return `expected ${hash} among the signature's digests`;
  const algorithms =
    kind === "rsa" ? [RSA_ENCRYPTION, RSA_WITH_DIGEST[hash]] : [EC_PUBLIC_KEY, ECDSA_WITH_DIGEST[hash]];
  if (!algorithms.includes(signer.signatureAlgorithm)) {
    return `expected signature algorithm ${algorithms.join(" or ")}, got ${signer.signatureAlgorithm}`;
  }
  if (!content) return "expected the content that is signed, got none";
  const attributes = signer.signedAttributes;
  // Without them, signed attributes of one message could be passed off as the content of another.
  if (!attributes && signed.contentType !== OID.data) return "expected signed attributes, got none";
  const contradiction = attributes && findContradiction(attributes, signed.contentType, digest(hash, content));
  if (contradiction !== undefined) return contradiction;
  return verify(hash, attributes?.encoded ?? content, publicKey, signer.signature)
    ? undefined
    : "expected a signature of this certificate's key, got another";
}

/** @see RFC 5652, 11.1 and 11.2 */
function findContradiction({ values }: SignedAttributes, contentType: string, contentDigest: Buffer) {
  const [type, ...moreTypes] = values.get(OID.contentType) ?? [];
  const [messageDigest, ...moreDigests] = values.get(OID.messageDigest) ?? [];
  if (type?.tag !== DerTag.objectIdentifier || moreTypes.length > 0) return "expected one signed content type";
  if (!type.encoded.equals(objectIdentifier(contentType))) return `expected content type ${contentType} signed`;
  if (messageDigest?.tag !== DerTag.octetString || moreDigests.length > 0) return "expected one signed digest";
  return messageDigest.contents.equals(contentDigest) ? undefined : "expected the digest of this content, got another";
}
