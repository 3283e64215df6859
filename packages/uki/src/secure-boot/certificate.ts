import { generateKeyPair, type KeyObject, webcrypto, X509Certificate } from "node:crypto";
import { promisify } from "node:util";

/** Keys that are made here, with what each is made and signs its own certificate by. */
export const KEY_ALGORITHMS = {
  rsa2048: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2048 },
  rsa3072: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 3072 },
  rsa4096: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 4096 },
  p256: { name: "ECDSA", hash: "SHA-256", namedCurve: "P-256" },
  p384: { name: "ECDSA", hash: "SHA-384", namedCurve: "P-384" },
} as const;
/** Kind of a key that is made here. */
export type KeyAlgorithm = keyof typeof KEY_ALGORITHMS;

/** A private key and its public half. */
export interface KeyPair {
  privateKey: KeyObject;
  publicKey: KeyObject;
}

/** What a certificate is to say. */
export interface CertificateRequest {
  algorithm: KeyAlgorithm;
  commonName: string;
  notBefore: Date;
  notAfter: Date;
  /** Says that the key signs code: for db alone. */
  signsCode: boolean;
  /** For the serial number. */
  randomBytes: (sizeBytes: number) => Uint8Array;
}

/** More than enough to be unique, and less than the 20 bytes that RFC 5280, section 4.1.2.2 allows. */
const SERIAL_BYTES = 16;

/** Makes a key. */
export function generateKey(algorithm: KeyAlgorithm): Promise<KeyPair> {
  const parameters = KEY_ALGORITHMS[algorithm];
  return "namedCurve" in parameters
    ? promisify(generateKeyPair)("ec", { namedCurve: parameters.namedCurve })
    : promisify(generateKeyPair)("rsa", { modulusLength: parameters.modulusLength });
}

/**
 * Makes a certificate that a key issues for itself. It is no authority: firmware trusts a certificate for being in a
 * variable.
 * @see RFC 5280, section 4.2
 */
export async function selfSignedCertificate(pair: KeyPair, request: CertificateRequest): Promise<X509Certificate> {
  // x509 registers its parts with decorators, which want the metadata before it is loaded.
  await import("reflect-metadata");
  const {
    BasicConstraintsExtension,
    ExtendedKeyUsage,
    ExtendedKeyUsageExtension,
    KeyUsageFlags,
    KeyUsagesExtension,
    SubjectKeyIdentifierExtension,
    X509CertificateGenerator,
  } = await import("@peculiar/x509");
  const algorithm = KEY_ALGORITHMS[request.algorithm];
  const publicKey = pair.publicKey.toCryptoKey(algorithm, true, ["verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(request.randomBytes),
      name: [{ CN: [request.commonName] }],
      notBefore: request.notBefore,
      notAfter: request.notAfter,
      signingAlgorithm: algorithm,
      keys: { privateKey: pair.privateKey.toCryptoKey(algorithm, false, ["sign"]), publicKey },
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        ...(request.signsCode ? [new ExtendedKeyUsageExtension([ExtendedKeyUsage.codeSigning])] : []),
        await SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return new X509Certificate(Buffer.from(certificate.rawData));
}

/** A positive number of full length, so that certificates of equal requests have equal sizes. */
function serialNumber(randomBytes: CertificateRequest["randomBytes"]): string {
  const bytes = Buffer.from(randomBytes(SERIAL_BYTES));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}
