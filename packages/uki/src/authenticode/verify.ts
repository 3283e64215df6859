import type { X509Certificate } from "node:crypto";
import { type ByteSource, FormatError } from "@cvm-build/bytes";
import { DIGEST_OID } from "../cms/format.ts";
import type { SignedData } from "../cms/reader.ts";
import { type SignerVerification, verifySignedData } from "../cms/verify.ts";
import { authenticodeDigests } from "../pe/authenticode.ts";
import { type SignatureHash, SIGNATURE_HASHES } from "../signer/signer.ts";
import { readTimestamp } from "../timestamp/reader.ts";
import { type TimestampVerification, verifyTimestamp } from "../timestamp/verify.ts";
import { SPC_RFC3161_TIMESTAMP, WIN_CERT_TYPE_PKCS_SIGNED_DATA } from "./format.ts";
import { padImage } from "./padding.ts";
import { type CertificateTableEntry, readCertificateTable } from "./reader.ts";
import { type AuthenticodeSignature, readSignature } from "./signature.ts";

/** Whom to believe. */
export interface TrustOptions {
  /** As in `db`: authorities, or signers' own certificates. */
  trusted: readonly X509Certificate[];
  /** Authorities of time stamps, or their own certificates; none unless given. */
  timestampTrusted?: readonly X509Certificate[];
}

/** What came out for one signature of an image. */
export interface PeSignature extends SignerVerification {
  /** The image's digest as the signature has it, lower-case hex; absent where it has none. */
  digest?: string;
  /** When it was made, if an authority says so. It has no say in whether the signature is trusted. */
  timestamp?: TimestampVerification;
  /** Whether the signature is right, is for this image, and its certificate leads to a trusted one. */
  isTrusted: boolean;
}

/** What came out for an image. */
export interface PeVerification {
  /** In the order in which they stand; none where the image is unsigned. */
  signatures: PeSignature[];
  /** Whether one of them is trusted, which is what firmware asks for. Revocation (`dbx`) is not looked at. */
  isTrusted: boolean;
}

/**
 * Verifies every signature of a PE image against one reading of its bytes. Whatever is wrong with a signature is said of
 * that signature, as firmware goes on to the next. Dates of certificates are not looked at: see `findChain`.
 * @throws FormatError where the source is no PE image or its certificate table is damaged
 */
export function verifyPe(source: ByteSource, options: TrustOptions): PeVerification {
  const opened = readCertificateTable(source).map(openEntry);
  const signatures = verifyOpened(source, opened, options);
  return { signatures, isTrusted: signatures.some(({ isTrusted }) => isTrusted) };
}

/**
 * Verifies a signature that is kept beside its image, as `sbverify --detached`.
 * @param signature DER `ContentInfo`
 * @throws FormatError where the source is no PE image
 */
export function verifyDetached(source: ByteSource, signature: Buffer, options: TrustOptions): PeSignature {
  const [verified] = verifyOpened(padImage(source), [openSignature(signature)], options);
  return verified as PeSignature;
}

/** A signature as far as it could be decoded. */
type OpenedSignature = (AuthenticodeSignature & { hash: SignatureHash }) | { problem: string };

function openEntry({ certificateType, contents }: CertificateTableEntry): OpenedSignature {
  if (certificateType === WIN_CERT_TYPE_PKCS_SIGNED_DATA) return openSignature(contents);
  return { problem: `expected a PKCS #7 signature, got type 0x${certificateType.toString(16)}` };
}

function openSignature(bytes: Buffer): OpenedSignature {
  try {
    const { signed, indirect } = readSignature(bytes);
    const hash = SIGNATURE_HASHES.find((name) => DIGEST_OID[name] === indirect.digestAlgorithm);
    if (hash) return { signed, indirect, hash };
    return { problem: `expected an image digest of ${SIGNATURE_HASHES.join(", ")}, got ${indirect.digestAlgorithm}` };
  } catch (error) {
    if (error instanceof FormatError) return { problem: error.message };
    throw error;
  }
}

function verifyOpened(source: ByteSource, opened: readonly OpenedSignature[], options: TrustOptions): PeSignature[] {
  const hashes = new Set(opened.flatMap((signature) => ("hash" in signature ? [signature.hash] : [])));
  const digests: Partial<Record<SignatureHash, string>> =
    hashes.size > 0 ? authenticodeDigests(source, [...hashes]) : {};
  return opened.map((signature) => {
    if ("problem" in signature) return { ...signature, isTrusted: false };
    const digest = signature.indirect.digest.toString("hex");
    const [verification = {}] = verifySignedData(signature.signed, { trusted: options.trusted });
    const problem = findMismatch(signature, verification, digests[signature.hash]) ?? verification.problem;
    const timestamp = openTimestamp(signature.signed, options.timestampTrusted ?? []);
    return {
      ...verification,
      digest,
      ...(problem !== undefined && { problem }),
      ...(timestamp && { timestamp }),
      isTrusted: problem === undefined && verification.chain !== undefined,
    };
  });
}

function findMismatch(
  { hash, indirect }: AuthenticodeSignature & { hash: SignatureHash },
  verification: SignerVerification,
  imageDigest: string | undefined,
): string | undefined {
  const signedDigest = indirect.digest.toString("hex");
  if (signedDigest !== imageDigest) return `expected image digest ${signedDigest}, got ${imageDigest}`;
  // Firmware hashes the image with the digest that the signer names.
  if (!verification.hash || verification.hash === hash) return undefined;
  return `expected one digest for image and signature, got ${hash} and ${verification.hash}`;
}

function openTimestamp(signed: SignedData, trusted: readonly X509Certificate[]): TimestampVerification | undefined {
  const [signer] = signed.signers;
  const [token] = signer?.unsignedAttributes.get(SPC_RFC3161_TIMESTAMP) ?? [];
  if (!signer || !token) return undefined;
  try {
    return verifyTimestamp(readTimestamp(token.encoded), { stamped: signer.signature, trusted });
  } catch (error) {
    if (error instanceof FormatError) return { problem: error.message };
    throw error;
  }
}
