import { verify, type X509Certificate } from "node:crypto";
import { digest, DerTag, encodeDer } from "@cvm-build/bytes";
import { constructed, integer, NULL, objectIdentifier, octetString, sequence, setOf } from "../asn1/writer.ts";
import { ukiError } from "../error.ts";
import type { SignatureHash, Signer } from "../signer/signer.ts";
import { readCertificateFields } from "./certificate.ts";
import { DIGEST_OID, ECDSA_WITH_DIGEST, MAX_CERTIFICATES, OID, RSA_ENCRYPTION } from "./format.ts";
import { describeKey, isSameKey, publicKeyOf, SUPPORTED_KEYS } from "./key.ts";
import { oneLineName } from "./name.ts";

/** What is signed. */
export interface SignedContent {
  /** Object identifier: `OID.data`, or whoever defines the content says. */
  type: string;
  /** The contents that the signature covers, without tag and length. */
  bytes: Buffer;
  /** Tag that they are embedded with: `OCTET STRING` unless given; PKCS #7 allowed any. */
  tag?: number;
}

/** A signature to be made. */
export interface SignedDataRequest {
  signer: Signer;
  /** The signer's own first, then whatever else verifiers may need to reach one that they trust. */
  certificates: readonly X509Certificate[];
  hash: SignatureHash;
  content: SignedContent;
  /** Leaves the content out, which verifiers then have from elsewhere. */
  detached?: boolean;
  /** `signed`: content type and digest are signed; `none`: the content itself is, as UEFI variables want it. */
  attributes: "signed" | "none";
  /** In a `ContentInfo`, or the bare `SignedData` that UEFI variables have. */
  wrapped: boolean;
  /** Makes attributes that are added unsigned, DER, out of the signature: a time stamp. */
  unsignedAttributes?: (signature: Buffer) => Promise<readonly Buffer[]>;
}

/**
 * Signs content and encodes the signature with its certificates. Nothing in it depends on the time: equal requests give
 * equal bytes where the signer's scheme does.
 * @returns DER
 * @throws CvmError `certificate` where the first certificate is not the signer's or its key cannot be used; `signer`
 * where the signer fails or gives a signature that does not verify
 * @see RFC 5652, 5
 */
export async function encodeSignedData(request: SignedDataRequest): Promise<Buffer> {
  const { certificates, content, detached = false, hash, signer } = request;
  const { issuer, serialNumber, kind } = checkSigner(signer, certificates);
  const digestAlgorithm = sequence(objectIdentifier(DIGEST_OID[hash]), NULL);
  const attributes = request.attributes === "signed" ? signedAttributes(request) : undefined;
  const signature = await signChecked(request, attributes ? setOf(...attributes) : content.bytes);
  const unsigned = (await request.unsignedAttributes?.(signature)) ?? [];
  const signerInfo = sequence(
    integer(1),
    sequence(issuer, serialNumber),
    digestAlgorithm,
    ...(attributes ? [constructed(0, ...attributes.toSorted(Buffer.compare))] : []),
    kind === "rsa"
      ? sequence(objectIdentifier(RSA_ENCRYPTION), NULL)
      : sequence(objectIdentifier(ECDSA_WITH_DIGEST[hash])),
    octetString(signature),
    ...(unsigned.length > 0 ? [constructed(1, ...unsigned.toSorted(Buffer.compare))] : []),
  );
  const embedded = detached ? [] : [constructed(0, encodeDer(content.tag ?? DerTag.octetString, content.bytes))];
  const signedData = sequence(
    // Version 1 of PKCS #7 and of CMS alike: the signer is named by issuer and serial number, and firmware knows no other.
    integer(1),
    setOf(digestAlgorithm),
    sequence(objectIdentifier(content.type), ...embedded),
    // In the order given, the signer's first, as OpenSSL writes them: firmware takes the first for the signer's.
    constructed(0, ...certificates.map(({ raw }) => raw)),
    setOf(signerInfo),
  );
  return request.wrapped ? sequence(objectIdentifier(OID.signedData), constructed(0, signedData)) : signedData;
}

/**
 * Checks that a signer can sign and that the first certificate is its own, before anything is signed.
 * @throws CvmError `certificate`
 */
export function checkSigner(signer: Signer, certificates: readonly X509Certificate[]) {
  const { kind, name } = describeKey(signer.publicKey);
  if (!kind) {
    throw ukiError("certificate", `cannot sign with key: expected ${SUPPORTED_KEYS}, got ${name}`, {
      hint: "make another key: `cvm-build keys`",
    });
  }
  if (certificates.length > MAX_CERTIFICATES) {
    const got = `got ${certificates.length}`;
    throw ukiError("certificate", `cannot sign: expected at most ${MAX_CERTIFICATES} certificates, ${got}`);
  }
  const isSigners = (certificate: X509Certificate) => isSameKey(publicKeyOf(certificate), signer.publicKey);
  const [own] = certificates;
  if (!own || !isSigners(own)) {
    const got = own ? `that of "${oneLineName(own.subject)}" with ${describeKey(publicKeyOf(own)).name}` : "none";
    throw ukiError("certificate", `cannot sign with key ${name}: expected its certificate, got ${got}`, {
      hint: certificates.some(isSigners)
        ? "put the key's own certificate first in the file"
        : "give the certificate that was issued for this key",
    });
  }
  const { issuer, serialNumber } = readCertificateFields(own.raw);
  return { issuer, serialNumber, kind };
}

function signedAttributes({ content, hash }: SignedDataRequest): Buffer[] {
  const attribute = (type: string, value: Buffer) => sequence(objectIdentifier(type), setOf(value));
  return [
    attribute(OID.contentType, objectIdentifier(content.type)),
    attribute(OID.messageDigest, octetString(digest(hash, content.bytes))),
  ];
}

/** A token or a service may fail without saying so; what it gives is verified before it is used. */
async function signChecked({ signer, hash }: SignedDataRequest, message: Buffer): Promise<Buffer> {
  const signature = await signer.sign(message, hash);
  if (verify(hash, message, signer.publicKey, signature)) return signature;
  throw ukiError(
    "signer",
    `cannot sign with key ${describeKey(signer.publicKey).name}: expected a signature that verifies with the public ` +
      `key, got ${signature.length} bytes that do not`,
    {
      hint: "check that the signer's private and public key belong together and that it signs with the digest asked for",
    },
  );
}
