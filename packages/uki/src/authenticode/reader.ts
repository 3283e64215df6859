import { alignUp, type ByteSource, FormatError } from "@cvm-build/bytes";
import { SECURITY_DIRECTORY } from "../pe/format.ts";
import { readPeHeaders } from "../pe/reader.ts";
import { CERTIFICATE_ALIGNMENT_BYTES, MAX_CERTIFICATE_TABLE_BYTES, MAX_SIGNATURES, WinCertificate } from "./format.ts";

/** One entry of an image's certificate table. */
export interface CertificateTableEntry extends WinCertificate {
  /** Offset of its header in the file. */
  offsetBytes: number;
  /** What follows the header; zeros may be at its end. */
  contents: Buffer;
}

/**
 * Reads the certificate table of a PE image: its signatures, undecoded.
 * @returns nothing where the image has no signature
 * @throws FormatError where the table is not the end of the file, its entries do not fill it, or it has more than 32 of
 * them or more than 1 MiB
 * @see Microsoft PE Format, "The Attribute Certificate Table (Image Only)"
 */
export function readCertificateTable(source: ByteSource): CertificateTableEntry[] {
  const { directories, directoriesOffset } = readPeHeaders(source);
  const directory = directories[SECURITY_DIRECTORY];
  if (!directory || directory.sizeBytes === 0) return [];
  const { virtualAddress: tableOffset, sizeBytes } = directory;
  const end = tableOffset + sizeBytes;
  // The digest leaves out as many bytes of the file's end as the table has: a table elsewhere would be none that is signed.
  if (end !== source.sizeBytes || sizeBytes > MAX_CERTIFICATE_TABLE_BYTES) {
    throw new FormatError(
      { record: "DataDirectory", field: "security", offsetBytes: directoriesOffset },
      `expected at most ${MAX_CERTIFICATE_TABLE_BYTES} bytes at the end of the file's ${source.sizeBytes}, ` +
        `got ${sizeBytes} at 0x${tableOffset.toString(16)}`,
    );
  }
  const table = source.read(tableOffset, sizeBytes);
  const entries: CertificateTableEntry[] = [];
  for (let offset = 0; offset < sizeBytes;) {
    const header = WinCertificate.decode(table, offset);
    const place = { record: "WIN_CERTIFICATE", field: "lengthBytes", offsetBytes: tableOffset + offset };
    const next = offset + alignUp(header.lengthBytes, CERTIFICATE_ALIGNMENT_BYTES);
    if (header.lengthBytes < WinCertificate.sizeBytes || next > sizeBytes) {
      const expectation = `expected ${WinCertificate.sizeBytes}..${sizeBytes - offset}, got ${header.lengthBytes}`;
      throw new FormatError(place, expectation);
    }
    if (entries.length === MAX_SIGNATURES) throw new FormatError(place, `expected at most ${MAX_SIGNATURES} entries`);
    const contents = table.subarray(offset + WinCertificate.sizeBytes, offset + header.lengthBytes);
    entries.push({ ...header, offsetBytes: tableOffset + offset, contents });
    offset = next;
  }
  return entries;
}
