import { type Stats, statSync } from "node:fs";
import { resolve } from "node:path";
import { CvmError, openFileSource, sourceSha256 } from "@cvm-build/bytes";
import {
  oneLineName,
  type PeSignature,
  signDetached,
  type SignatureHash,
  signPe,
  type SigningRequest,
  type TrustOptions,
  verifyDetached,
  verifyPe,
} from "@cvm-build/uki";
import { openNamedFile } from "./named-file.ts";
import { replaceFile } from "./replace-file.ts";
import { openCertifiedSigner, readAllCertificates } from "./signing.ts";
import type { Surroundings } from "./surroundings.ts";
import { timestampAuthority } from "./timestamp-authority.ts";

/** An image to be signed. Paths are relative to where the command was typed. */
export interface SignRequest {
  image: string;
  /** May be the image itself. */
  output: string;
  /** A key's file, or a reference to whoever holds it. */
  key: string;
  /** The key's certificate, with its chain behind it. */
  certificate: string;
  hash: SignatureHash;
  /** Write the signature alone. */
  detached: boolean;
  /** Address of an authority that says when the image was signed (RFC 3161). */
  timestampUrl?: string;
}

/** What was written. */
export interface SignReport {
  output: string;
  sha256: string;
  sizeBytes: number;
  /** Subject of the certificate that the signature is verified with. */
  subject: string;
}

/** An image whose signatures are to be verified. */
export interface VerifyRequest {
  image: string;
  /** Files of certificates to trust: authorities, or signers' own. */
  certificates: string[];
  /** Files of certificates of authorities that say when an image was signed. */
  timestampCertificates: string[];
  /** A file with the signature, where it is not in the image. */
  detached?: string;
}

/** What came out. */
export interface VerifyImageReport {
  image: string;
  /** Whether one signature is right and by somebody trusted, which is what firmware asks for. */
  isTrusted: boolean;
  signatures: SignatureReport[];
}

/** What came out for one signature. */
export interface SignatureReport {
  isTrusted: boolean;
  /** Subject of the signer's certificate, where it is there. */
  subject?: string;
  /** Subjects from the signer's certificate to the trusted one. */
  chain: string[];
  /** Such as `RSA-2048 sha256`. */
  algorithm: string;
  /** What is wrong, in words. */
  problem?: string;
  /** When it was made, as a time stamp in it says, and whether by an authority that is trusted. */
  timestamp?: { time: string; isTrusted: boolean };
}

/**
 * Signs an image for Secure Boot.
 * @throws CvmError `signer`, `certificate`, `signature`, `uki-output`, `output`, `no-image`; nothing is written then
 */
export async function signImage(request: SignRequest, surroundings: Surroundings): Promise<SignReport> {
  const { invocationDirectory } = surroundings;
  const [image, output] = [request.image, request.output].map((path) => resolve(invocationDirectory, path)) as [
    string,
    string,
  ];
  checkOutput({ image, output, detached: request.detached });
  const { signer, certificates } = await openCertifiedSigner(request, surroundings);
  await using _ = signer;
  const { hash, timestampUrl } = request;
  const timestamp = timestampUrl === undefined ? undefined : timestampAuthority(timestampUrl, surroundings);
  const signing: SigningRequest = { signer, certificates, hash, ...(timestamp && { timestamp }) };
  if (request.detached) await writeDetached(image, { output, signing });
  else await signPe({ image, output, ...signing });
  using written = openFileSource(output);
  const subject = oneLineName(certificates[0]?.subject);
  return { output, sha256: sourceSha256(written), sizeBytes: written.sizeBytes, subject };
}

/**
 * Verifies the signatures of an image.
 * @throws FormatError where it is no PE image; CvmError `certificate`, `no-image`, `no-file`
 */
export async function verifyImage(request: VerifyRequest, surroundings: Surroundings): Promise<VerifyImageReport> {
  const trust: TrustOptions = {
    trusted: await readAllCertificates(request.certificates, surroundings),
    timestampTrusted: await readAllCertificates(request.timestampCertificates, surroundings),
  };
  const image = resolve(surroundings.invocationDirectory, request.image);
  using source = openNamedFile(image, "image");
  const signatures = request.detached
    ? [verifyDetached(source, readSignature(resolve(surroundings.invocationDirectory, request.detached)), trust)]
    : verifyPe(source, trust).signatures;
  return { image, isTrusted: signatures.some(({ isTrusted }) => isTrusted), signatures: signatures.map(reportOf) };
}

function reportOf({ certificate, chain, key, hash, problem, timestamp, isTrusted }: PeSignature): SignatureReport {
  return {
    isTrusted,
    ...(certificate && { subject: oneLineName(certificate.subject) }),
    chain: (chain ?? []).map(({ subject }) => oneLineName(subject)),
    algorithm: [key, hash].filter((part) => part !== undefined).join(" "),
    ...(problem !== undefined && { problem }),
    ...(timestamp?.time !== undefined && {
      timestamp: { time: timestamp.time, isTrusted: timestamp.chain !== undefined },
    }),
  };
}

async function writeDetached(
  image: string,
  { output, signing }: { output: string; signing: SigningRequest },
): Promise<void> {
  using source = openNamedFile(image, "image");
  const signature = await signDetached(source, signing);
  replaceFile(output, signature);
}

/** Refuses to replace what is no file, such as a device, and an image by its signature. */
function checkOutput({ image, output, detached }: { image: string; output: string; detached: boolean }): void {
  const there = statusOf(output);
  const refused = (expected: string) => new CvmError("output", `cannot write "${output}": expected ${expected}`);
  if (there && !there.isFile()) throw refused("the path of a file, got a folder or a device");
  if (!there || !detached) return;
  const read = statusOf(image);
  if (read?.dev === there.dev && read.ino === there.ino)
    throw refused("a file for the signature alone, got the image itself");
}

/** Undefined where there is nothing, or nothing to be known: whoever opens it says why. */
function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** Largest detached signature that is read; real ones have a few kilobytes. */
const MAX_SIGNATURE_BYTES = 1 << 20;

function readSignature(path: string): Buffer {
  using source = openNamedFile(path, "signature");
  if (source.sizeBytes <= MAX_SIGNATURE_BYTES) return source.read(0, source.sizeBytes);
  throw new CvmError(
    "signature",
    `cannot read signature "${path}": expected at most ${MAX_SIGNATURE_BYTES} bytes, got ${source.sizeBytes}`,
  );
}
