import { X509Certificate } from "node:crypto";
import { type ByteSource, digest, FormatError, readDer, readDerList } from "@cvm-build/bytes";
import { objectIdentifier } from "../asn1/writer.ts";
import { WIN_CERT_TYPE_PKCS_SIGNED_DATA } from "../authenticode/format.ts";
import { type CertificateTableEntry, readCertificateTable } from "../authenticode/reader.ts";
import { type AuthenticodeSignature, readSignature } from "../authenticode/signature.ts";
import { DIGEST_OID } from "../cms/format.ts";
import { publicKeyOf } from "../cms/key.ts";
import { oneLineName } from "../cms/name.ts";
import { verifySignedData } from "../cms/verify.ts";
import { authenticodeDigests } from "../pe/authenticode.ts";
import { type SignatureHash, SIGNATURE_HASHES } from "../signer/signer.ts";
import { SIGNATURE_TYPES } from "./signature-list/format.ts";
import { readSignatureLists, type Signature, type SignatureList } from "./signature-list/reader.ts";

/** Whether firmware with Secure Boot on starts an image: the entry of db that lets it, or why none does. */
export type ImageVerdict = { authority: Signature } | { refusal: string };

/** Content of the variables that decide. */
export interface ImageDatabases {
  db?: Uint8Array;
  dbx?: Uint8Array;
}

/** Lists of certificates' digests. Each entry also has the time from which it counts, which is not looked at. */
const CERTIFICATE_DIGESTS = {
  sha256: SIGNATURE_TYPES.x509Sha256,
  sha384: SIGNATURE_TYPES.x509Sha384,
  sha512: SIGNATURE_TYPES.x509Sha512,
} as const satisfies Record<SignatureHash, string>;

/** Where firmware looks for a signature's digest, and what it finds there: object identifiers without tag and length. */
const DIGEST_OFFSET = 32;
const DIGEST_IDENTIFIERS = Object.values(DIGEST_OID).map((identifier) => objectIdentifier(identifier).subarray(2));

/** One signature of an image. */
interface ImageSignature extends AuthenticodeSignature {
  hash: SignatureHash;
  /** The image's own. */
  imageDigest: Buffer;
}

/**
 * Decides as firmware does whether an image is started: each signature in turn is held against dbx, then db, where the
 * first entry that vouches for it counts. Elliptic curves vouch for nothing, as in the builds of EDK2 that distributions
 * have, and what dbx revokes from some time on is revoked.
 * @throws FormatError where the image is no PE image, or a variable holds no signature lists
 * @see EDK2, SecurityPkg/Library/DxeImageVerificationLib, `DxeImageVerificationHandler`
 */
export function judgeImage(image: ByteSource, databases: ImageDatabases): ImageVerdict {
  const db = readSignatureLists(databases.db ?? Buffer.alloc(0));
  const dbx = readSignatureLists(databases.dbx ?? Buffer.alloc(0));
  const entries = readCertificateTable(image);
  if (entries.length === 0) return judgeUnsigned(image, { db, dbx });
  if (dbx.length > 0 && entries.some(hasUnknownSigner)) {
    return { refusal: "one with a signature whose signer firmware cannot tell, which it takes for revoked" };
  }
  const signatures = readSignatures(image, entries);
  if (signatures.length === 0) return { refusal: "one without a signature that firmware can read" };
  let authority: Signature | undefined;
  for (const signature of signatures) {
    if (isRevoked(signature, dbx)) return { refusal: "one that dbx revokes" };
    const { hash, imageDigest } = signature;
    authority ??= findAuthority(signature, { db, dbx }) ?? findDigest(db, SIGNATURE_TYPES[hash], imageDigest);
  }
  return authority ? { authority } : { refusal: describeUntrusted(signatures) };
}

function judgeUnsigned(image: ByteSource, { db, dbx }: { db: SignatureList[]; dbx: SignatureList[] }): ImageVerdict {
  const imageDigest = Buffer.from(authenticodeDigests(image, ["sha256"]).sha256, "hex");
  if (findDigest(dbx, SIGNATURE_TYPES.sha256, imageDigest)) return { refusal: "one that dbx revokes" };
  const authority = findDigest(db, SIGNATURE_TYPES.sha256, imageDigest);
  return authority ? { authority } : { refusal: "one without a signature" };
}

/**
 * Whether a signature is one that firmware finds no signer in, though it finds the digest where two-byte lengths put it.
 * @see EDK2, `HashPeImageByType` and `IsForbiddenByDbx` of DxeImageVerificationLib
 */
function hasUnknownSigner(entry: CertificateTableEntry): boolean {
  const { certificateType, contents } = entry;
  const named = contents.subarray(DIGEST_OFFSET);
  const isLookedAt =
    certificateType === WIN_CERT_TYPE_PKCS_SIGNED_DATA &&
    DIGEST_IDENTIFIERS.some((identifier) => named.subarray(0, identifier.length).equals(identifier));
  if (!isLookedAt) return false;
  const signature = openEntry(entry);
  return !signature || verifySignedData(signature.signed, { trusted: [] }).some(({ certificate }) => !certificate);
}

/** The signatures that firmware looks at: those it cannot read it passes over. */
function readSignatures(image: ByteSource, entries: readonly CertificateTableEntry[]): ImageSignature[] {
  const read = entries.flatMap((entry) => {
    const signature = openEntry(entry);
    const hash = SIGNATURE_HASHES.find((name) => DIGEST_OID[name] === signature?.indirect.digestAlgorithm);
    return signature && hash ? [{ ...signature, hash }] : [];
  });
  const digests = authenticodeDigests(image, [...new Set(read.map(({ hash }) => hash))]);
  return read.map((signature) => ({ ...signature, imageDigest: Buffer.from(digests[signature.hash], "hex") }));
}

function openEntry({ certificateType, contents }: CertificateTableEntry): AuthenticodeSignature | undefined {
  if (certificateType !== WIN_CERT_TYPE_PKCS_SIGNED_DATA) return undefined;
  try {
    return readSignature(contents);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

function isRevoked(signature: ImageSignature, dbx: readonly SignatureList[]): boolean {
  if (findDigest(dbx, SIGNATURE_TYPES[signature.hash], signature.imageDigest)) return true;
  if (certificatesOf(dbx).some(({ certificate }) => leadsTo(signature, certificate))) return true;
  return verifySignedData(signature.signed, { trusted: [] }).some(
    ({ certificate }) => certificate !== undefined && hasRevokedDigest(certificate, dbx),
  );
}

/** The first certificate of db that the signature leads to and that dbx does not name. */
function findAuthority(
  signature: ImageSignature,
  { db, dbx }: { db: readonly SignatureList[]; dbx: readonly SignatureList[] },
): Signature | undefined {
  return certificatesOf(db).find(
    ({ certificate }) => leadsTo(signature, certificate) && !hasRevokedDigest(certificate, dbx),
  )?.entry;
}

/** Whether this is a signature over this image, by whoever has that certificate or one that it vouches for. */
function leadsTo(signature: ImageSignature, certificate: X509Certificate): boolean {
  if (!isOfImage(signature)) return false;
  const signers = verifySignedData(signature.signed, { trusted: [certificate] });
  return signers.every(({ chain, problem }) => problem === undefined && chain?.every(hasRsaKey) === true);
}

function isOfImage({ indirect, imageDigest }: ImageSignature): boolean {
  return indirect.digest.equals(imageDigest);
}

function hasRsaKey(certificate: X509Certificate): boolean {
  return publicKeyOf(certificate)?.asymmetricKeyType === "rsa";
}

function findDigest(lists: readonly SignatureList[], type: string, imageDigest: Buffer): Signature | undefined {
  return lists
    .filter((list) => list.type === type)
    .flatMap(({ signatures }) => signatures)
    .find(({ data }) => data.equals(imageDigest));
}

/** Digests are over what the certificate's issuer signed. @see UEFI Specification, section 32.4.1, `EFI_CERT_X509_SHA256` */
function hasRevokedDigest(certificate: X509Certificate, dbx: readonly SignatureList[]): boolean {
  const [toBeSigned] = readDerList(readDer(certificate.raw).contents);
  if (!toBeSigned) return false;
  return SIGNATURE_HASHES.some((hash) => {
    const revoked = digest(hash, toBeSigned.encoded);
    return dbx.some(
      ({ type, signatures }) =>
        type === CERTIFICATE_DIGESTS[hash] &&
        signatures.some(({ data }) => data.subarray(0, revoked.length).equals(revoked)),
    );
  });
}

/** Entries that are certificates; of what is none, firmware has no use either. */
function certificatesOf(lists: readonly SignatureList[]): { entry: Signature; certificate: X509Certificate }[] {
  const entries = lists.filter(({ type }) => type === SIGNATURE_TYPES.x509).flatMap(({ signatures }) => signatures);
  return entries.flatMap((entry) => {
    try {
      return [{ entry, certificate: new X509Certificate(entry.data) }];
    } catch {
      return [];
    }
  });
}

function describeUntrusted(signatures: readonly ImageSignature[]): string {
  if (!signatures.some(isOfImage)) return "one that was changed after it was signed";
  const certificates = signatures.flatMap(({ signed }) =>
    verifySignedData(signed, { trusted: [] }).flatMap(({ certificate }) => certificate ?? []),
  );
  if (certificates.length > 0 && !certificates.some(hasRsaKey)) {
    return "one signed with an elliptic curve, which EDK2 is built without";
  }
  const names = new Set(certificates.map(({ subject }) => `"${oneLineName(subject)}"`));
  return `one signed by ${[...names].join(" and ") || "nobody known"}, for whom no entry of db vouches`;
}
