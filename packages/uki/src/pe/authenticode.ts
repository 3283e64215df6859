import { createHash } from "node:crypto";
import { type ByteSource, borrowedChunksOf, FormatError, type HashAlgorithm } from "@cvm-build/bytes";
import { DataDirectory, OptionalHeader64, SECURITY_DIRECTORY } from "./format.ts";
import { type PeImage, readPeHeaders } from "./reader.ts";

/** A stretch of a source. */
export interface ByteRange {
  offsetBytes: number;
  sizeBytes: number;
}

/** Overlapping sections may make firmware hash bytes more than once; this much of it is followed. */
const MAX_HASHED_PER_FILE_BYTE = 2;

/**
 * The stretches of a PE file that its Authenticode digest covers, in the order in which EDK2 hashes them: headers
 * without checksum and security directory, sections by file offset, then what follows them up to the signatures.
 * Nothing is padded to 8 bytes, as signing tools do before they sign.
 * @throws FormatError where the file is no PE image
 * @see Windows Authenticode Portable Executable Signature Format, "Calculating the PE Image Hash"
 * @see EDK2, SecurityPkg/Library/DxeTpm2MeasureBootLib
 */
export function authenticodeRanges(source: ByteSource): ByteRange[] {
  const image = readPeHeaders(source);
  const sections = image.sections.filter((section) => section.sizeOfRawData > 0);
  sections.sort((a, b) => a.pointerToRawData - b.pointerToRawData);
  const sectionBytes = sections.reduce((sum, section) => sum + section.sizeOfRawData, 0);
  if (sectionBytes > source.sizeBytes * MAX_HASHED_PER_FILE_BYTE) {
    throw new FormatError(
      { record: "SectionHeader", field: "sizeOfRawData", offsetBytes: image.sectionTableOffset },
      `expected sections of at most ${MAX_HASHED_PER_FILE_BYTE} times the file's ${source.sizeBytes} bytes, ` +
        `got ${sectionBytes}`,
    );
  }
  const hashedBytes = image.optional.sizeOfHeaders + sectionBytes;
  const end = source.sizeBytes - (image.directories[SECURITY_DIRECTORY]?.sizeBytes ?? 0);
  if (end < hashedBytes && hashedBytes < source.sizeBytes) {
    throw new FormatError(
      { record: "DataDirectory", field: "security", offsetBytes: image.directoriesOffset },
      `expected signatures at ${hashedBytes} or later, got ${end}`,
    );
  }
  return [
    ...headerRanges(image),
    ...sections.map(({ pointerToRawData, sizeOfRawData }) => ({
      offsetBytes: pointerToRawData,
      sizeBytes: sizeOfRawData,
    })),
    { offsetBytes: hashedBytes, sizeBytes: end - hashedBytes },
  ].filter((range) => range.sizeBytes > 0);
}

/**
 * Authenticode digests of a PE image as firmware computes them, for several algorithms in one pass over the file.
 * @returns lower-case hex for each algorithm
 * @throws FormatError where the source is no PE image
 */
export function authenticodeDigests<A extends HashAlgorithm>(
  source: ByteSource,
  algorithms: readonly A[],
): Record<A, string> {
  const hashes = algorithms.map((algorithm) => createHash(algorithm));
  for (const range of authenticodeRanges(source)) {
    for (const chunk of borrowedChunksOf(source, range)) {
      for (const hash of hashes) hash.update(chunk);
    }
  }
  const entries = algorithms.map((algorithm, index) => [algorithm, hashes[index]?.digest("hex")] as const);
  return Object.fromEntries(entries) as Record<A, string>;
}

function headerRanges(image: PeImage): ByteRange[] {
  const checkSum = image.optionalOffset + OptionalHeader64.offsetOf("checkSum");
  const afterCheckSum = checkSum + 4;
  const security = image.directoriesOffset + SECURITY_DIRECTORY * DataDirectory.sizeBytes;
  const end = image.optional.sizeOfHeaders;
  const head = { offsetBytes: 0, sizeBytes: checkSum };
  if (image.directories.length <= SECURITY_DIRECTORY) {
    return [head, { offsetBytes: afterCheckSum, sizeBytes: end - afterCheckSum }];
  }
  const afterSecurity = security + DataDirectory.sizeBytes;
  return [
    head,
    { offsetBytes: afterCheckSum, sizeBytes: security - afterCheckSum },
    { offsetBytes: afterSecurity, sizeBytes: end - afterSecurity },
  ];
}
