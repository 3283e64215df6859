import { closeSync, ftruncateSync, openSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { alignUp, type CvmErrorOptions, openFileSource, writeFully } from "@cvm-build/bytes";
import { ukiError } from "../error.ts";
import { DataDirectory, OptionalHeader64, SECURITY_DIRECTORY } from "../pe/format.ts";
import { authenticodeRanges, type ByteRange } from "../pe/authenticode.ts";
import { type PeImage, readPeHeaders } from "../pe/reader.ts";
import { peCheckSum } from "./checksum.ts";
import {
  CERTIFICATE_ALIGNMENT_BYTES,
  MAX_CERTIFICATE_TABLE_BYTES,
  MAX_SIGNATURE_BYTES,
  MAX_SIGNATURES,
  WIN_CERT_REVISION_2_0,
  WIN_CERT_TYPE_PKCS_SIGNED_DATA,
  WinCertificate,
} from "./format.ts";
import { readCertificateTable } from "./reader.ts";
import type { StagedImage } from "./staged-image.ts";

/** Offsets and sizes of a PE image are 32-bit. */
const MAX_IMAGE_BYTES = 0xffff_ffff;

/**
 * Brings an image that has no signature to the multiple of 8 bytes at which one may stand; the zeros are signed, too.
 * @throws FormatError where it is no PE image; CvmError `signature` where it has no room for another signature
 */
export function prepareImage({ name, path }: StagedImage): void {
  using source = openFileSource(path);
  const { directories } = readPeHeaders(source);
  const signatures = readCertificateTable(source).length;
  if (directories.length <= SECURITY_DIRECTORY) {
    throw signError(name, `expected a header with a security directory, got ${directories.length} directories`);
  }
  if (signatures >= MAX_SIGNATURES) {
    throw signError(name, `expected fewer than ${MAX_SIGNATURES} signatures, got ${signatures}`);
  }
  if (source.sizeBytes + MAX_SIGNATURE_BYTES > MAX_IMAGE_BYTES) {
    throw signError(name, `expected it below 4 GiB with its signature, got ${source.sizeBytes} bytes`);
  }
  const sizeBytes = alignUp(source.sizeBytes, CERTIFICATE_ALIGNMENT_BYTES);
  if (sizeBytes === source.sizeBytes) return;
  if (signatures > 0) {
    throw signError(
      name,
      `expected its signatures at a multiple of ${CERTIFICATE_ALIGNMENT_BYTES} bytes, got them elsewhere`,
    );
  }
  changeFile(path, (descriptor) => ftruncateSync(descriptor, sizeBytes));
}

/**
 * Adds a signature after those that a prepared image has.
 * @param signature DER `ContentInfo`
 * @throws CvmError `signature` where it is too large for firmware, or the image's digest is another with it
 */
export function appendSignature(
  { name, path }: StagedImage,
  signature: Buffer,
): { sizeBytes: number; signatures: number } {
  const entry = encodeEntry(name, signature);
  using source = openFileSource(path);
  const image = readPeHeaders(source);
  const tableBytes = (image.directories[SECURITY_DIRECTORY]?.sizeBytes ?? 0) + entry.length;
  if (tableBytes > MAX_CERTIFICATE_TABLE_BYTES) {
    throw signError(name, `expected at most ${MAX_CERTIFICATE_TABLE_BYTES} bytes of signatures, got ${tableBytes}`);
  }
  const sizeBytes = source.sizeBytes + entry.length;
  const hashed = authenticodeRanges(source);
  changeFile(path, (descriptor) => writeFully(descriptor, entry, source.sizeBytes));
  setDirectory(path, image, { virtualAddress: sizeBytes - tableBytes, sizeBytes: tableBytes });
  using signed = openFileSource(path);
  if (isChangedBySigning(image, hashed) || !isDeepStrictEqual(authenticodeRanges(signed), hashed)) {
    throw signError(name, "expected an image whose digest a signature leaves as it is, got one whose sections overlap");
  }
  return { sizeBytes, signatures: readCertificateTable(signed).length };
}

/**
 * Takes an image's signatures off its end.
 * @throws FormatError where it is no PE image; CvmError `signature` where it has none
 */
export function cutSignatures({ name, path }: StagedImage): void {
  using source = openFileSource(path);
  const [first] = readCertificateTable(source);
  if (!first) throw ukiError("signature", `cannot unsign image "${name}": expected a signature, got none`);
  changeFile(path, (descriptor) => ftruncateSync(descriptor, first.offsetBytes));
  setDirectory(path, readPeHeaders(source), { virtualAddress: 0, sizeBytes: 0 });
}

function encodeEntry(name: string, signature: Buffer): Buffer {
  if (signature.length > MAX_SIGNATURE_BYTES) {
    throw signError(name, `expected a signature of at most ${MAX_SIGNATURE_BYTES} bytes, got ${signature.length}`, {
      hint: "leave out certificates that verifiers have, such as the root's",
    });
  }
  // The padding is counted, as in Microsoft's own: osslsigncode 2.5 refuses a table that is larger than its entry.
  const lengthBytes = alignUp(WinCertificate.sizeBytes + signature.length, CERTIFICATE_ALIGNMENT_BYTES);
  const entry = Buffer.alloc(lengthBytes);
  WinCertificate.encode({
    lengthBytes,
    revision: WIN_CERT_REVISION_2_0,
    certificateType: WIN_CERT_TYPE_PKCS_SIGNED_DATA,
  }).copy(entry);
  signature.copy(entry, WinCertificate.sizeBytes);
  return entry;
}

/** Whether sections have the bytes of the headers that a signature changes, which then are hashed with them. */
function isChangedBySigning(image: PeImage, hashed: readonly ByteRange[]): boolean {
  const changed = [
    { offsetBytes: checkSumOffsetOf(image), sizeBytes: 4 },
    { offsetBytes: directoryOffsetOf(image), sizeBytes: DataDirectory.sizeBytes },
  ];
  const overlap = (a: ByteRange, b: ByteRange) =>
    a.offsetBytes < b.offsetBytes + b.sizeBytes && b.offsetBytes < a.offsetBytes + a.sizeBytes;
  return hashed.some((range) => changed.some((field) => overlap(range, field)));
}

/** Sets where signatures stand, then the checksum, which covers that. Firmware looks at the first only. */
function setDirectory(path: string, image: PeImage, directory: DataDirectory): void {
  const checkSumOffset = checkSumOffsetOf(image);
  changeFile(path, (descriptor) => {
    writeFully(descriptor, DataDirectory.encode(directory), directoryOffsetOf(image));
    using source = openFileSource(path);
    const checkSum = Buffer.alloc(4);
    checkSum.writeUInt32LE(peCheckSum(source, checkSumOffset));
    writeFully(descriptor, checkSum, checkSumOffset);
  });
}

function directoryOffsetOf({ directoriesOffset }: PeImage): number {
  return directoriesOffset + SECURITY_DIRECTORY * DataDirectory.sizeBytes;
}

/** The field has one place in both kinds of optional header. */
function checkSumOffsetOf({ optionalOffset }: PeImage): number {
  return optionalOffset + OptionalHeader64.offsetOf("checkSum");
}

function changeFile(path: string, change: (descriptor: number) => void): void {
  const descriptor = openSync(path, "r+");
  try {
    change(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function signError(name: string, expectation: string, options?: CvmErrorOptions) {
  return ukiError("signature", `cannot sign image "${name}": ${expectation}`, options);
}
