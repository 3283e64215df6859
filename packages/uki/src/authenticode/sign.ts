import type { X509Certificate } from "node:crypto";
import { type ByteSource, DerTag, openFileSource } from "@cvm-build/bytes";
import { objectIdentifier, sequence, setOf } from "../asn1/writer.ts";
import { checkSigner, encodeSignedData } from "../cms/writer.ts";
import { ukiError } from "../error.ts";
import { authenticodeDigests } from "../pe/authenticode.ts";
import type { SignatureHash, Signer } from "../signer/signer.ts";
import { requestTimestamp, type TimestampAuthority } from "../timestamp/request.ts";
import { SPC_INDIRECT_DATA, SPC_RFC3161_TIMESTAMP } from "./format.ts";
import { encodeIndirectData } from "./indirect-data.ts";
import { padImage } from "./padding.ts";
import { changeImage } from "./staged-image.ts";
import { verifyDetached } from "./verify.ts";
import { appendSignature, cutSignatures, prepareImage } from "./writer.ts";

/** Who signs an image, and how. */
export interface SigningRequest {
  signer: Signer;
  /** The signer's own first, then those that lead from it to one that firmware trusts. All are put into the signature. */
  certificates: readonly X509Certificate[];
  /** SHA-256 unless given. */
  hash?: SignatureHash;
  /** Says when the image was signed; without one a signature depends on nothing but image, key and certificates. */
  timestamp?: TimestampAuthority;
}

/** An image to be changed, and where the changed one goes. */
export interface ImagePaths {
  image: string;
  /** May be `image` itself; what was there is replaced once all has gone well, and else left as it was. */
  output: string;
}

/** What was signed. */
export interface SignedPe {
  sizeBytes: number;
  hash: SignatureHash;
  /** Authenticode digest of the image, lower-case hex. */
  digest: string;
  /** How many signatures the image has now. */
  signatures: number;
}

/**
 * Signs a PE image for Secure Boot, after any signatures that it has. The image is copied, hashed and written in small
 * pieces, never held in memory.
 * @throws CvmError `certificate` where certificate and key are no pair or firmware knows no such key; `signer`;
 * `signature` where the image cannot be signed; `uki-output`. Nothing is written then
 * @see Windows Authenticode Portable Executable Signature Format; UEFI 2.10, 32.5.3.3
 */
export async function signPe(request: SigningRequest & ImagePaths): Promise<SignedPe> {
  const { hash = "sha256" } = request;
  checkSigner(request.signer, request.certificates);
  return await changeImage({ ...request, verb: "sign" }, async (staged) => {
    prepareImage(staged);
    using image = openFileSource(staged.path);
    const digest = authenticodeDigests(image, [hash])[hash];
    const signature = await encodeSignature(digest, { ...request, hash });
    return { hash, digest, ...appendSignature(staged, signature) };
  });
}

/**
 * Signs a PE image and gives the signature alone, to be kept beside it or attached later.
 * @returns DER `ContentInfo`, as `sbsign --detached` writes
 * @throws CvmError as `signPe`; FormatError where the source is no PE image
 */
export async function signDetached(source: ByteSource, request: SigningRequest): Promise<Buffer> {
  const { hash = "sha256" } = request;
  checkSigner(request.signer, request.certificates);
  const digest = authenticodeDigests(padImage(source), [hash])[hash];
  return await encodeSignature(digest, { ...request, hash });
}

/**
 * Puts a signature that was made elsewhere into the image that it is for.
 * @throws CvmError `signature` where it is for another image or is damaged; `uki-output`
 */
export async function attachSignature(request: ImagePaths & { signature: Buffer }): Promise<void> {
  const { image, signature } = request;
  await changeImage({ ...request, verb: "sign" }, async (staged) => {
    prepareImage(staged);
    using prepared = openFileSource(staged.path);
    const { problem } = verifyDetached(prepared, signature, { trusted: [] });
    if (problem !== undefined) throw ukiError("signature", `cannot attach signature to image "${image}": ${problem}`);
    appendSignature(staged, signature);
  });
}

/**
 * Takes all signatures off a PE image; zeros that were added for them stay.
 * @throws CvmError `signature` where there is none, or the image is none; `uki-output`
 */
export async function removeSignatures(paths: ImagePaths): Promise<void> {
  await changeImage({ ...paths, verb: "unsign" }, async (staged) => cutSignatures(staged));
}

function encodeSignature(digest: string, request: SigningRequest & { hash: SignatureHash }): Promise<Buffer> {
  const { certificates, hash, signer, timestamp } = request;
  return encodeSignedData({
    signer,
    certificates,
    hash,
    content: {
      type: SPC_INDIRECT_DATA,
      bytes: encodeIndirectData(hash, Buffer.from(digest, "hex")),
      tag: DerTag.sequence,
    },
    attributes: "signed",
    wrapped: true,
    ...(timestamp && {
      unsignedAttributes: async (signature) => {
        const token = await requestTimestamp(signature, { authority: timestamp, hash });
        return [sequence(objectIdentifier(SPC_RFC3161_TIMESTAMP), setOf(token))];
      },
    }),
  });
}
