import { type ByteSource, FormatError } from "@cvm-build/bytes";
import { dumpSignedData } from "../cms/dump.ts";
import { WinCertificate } from "./format.ts";
import { type CertificateTableEntry, readCertificateTable } from "./reader.ts";
import { readSignature } from "./signature.ts";

/**
 * The certificate table of a PE image as text; what is no signature is said to be none.
 * @throws FormatError where the source is no PE image or the table itself is damaged
 */
export function dumpCertificateTable(source: ByteSource): string {
  return readCertificateTable(source).map(dumpEntry).join("");
}

function dumpEntry(entry: CertificateTableEntry): string {
  return `[certificate at 0x${entry.offsetBytes.toString(16)}]\n${WinCertificate.dump(entry)}${dumpContents(entry)}`;
}

function dumpContents({ contents }: CertificateTableEntry): string {
  try {
    const { signed, indirect } = readSignature(contents);
    return `${dumpSignedData(signed)}imageDigest = ${indirect.digest.toString("hex")} by ${indirect.digestAlgorithm}\n`;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return `(no signature: ${error.message})\n`;
  }
}
