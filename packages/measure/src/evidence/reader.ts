import { FormatError } from "@cvm-build/bytes";
import { readEventLog } from "../eventlog/reader.ts";
import { isHclReport, readHclReport } from "./azure/reader.ts";
import { isDstackAttestation, isDstackJson, parseDstackJson, readDstackAttestation } from "./dstack/reader.ts";
import type { Evidence } from "./evidence.ts";
import { isGceText, readGceAttestation } from "./gce/reader.ts";
import { bytesOfHex } from "./hex.ts";
import { isNitroDocument, readNitroDocument } from "./nitro/reader.ts";
import { isReportResponse, isSnpReport, readSnpReport } from "./snp/reader.ts";
import { TdInfo, ReportMac, TEE_TDX, TeeTcbInfo } from "./tdx/format.ts";
import { isTdxQuote, readTdReport, readTdxQuote } from "./tdx/reader.ts";
import { isTpmQuote, readTpmQuote } from "./tpm/reader.ts";

/** The largest evidence that is read: real ones, with logs and certificates, have tens of kilobytes. */
export const MAX_EVIDENCE_BYTES = 1 << 24;

/** Kinds in the order in which they are looked for: those that begin with a mark of their own first. */
const READERS: readonly { is: (bytes: Buffer) => boolean; read: (bytes: Buffer) => Evidence }[] = [
  { is: isHclReport, read: readHclReport },
  { is: isTpmQuote, read: readTpmQuote },
  { is: isTdxQuote, read: readTdxQuote },
  { is: isTdReport, read: readTdReport },
  { is: isNitroDocument, read: readNitroDocument },
  { is: isDstackJson, read: parseDstackJson },
  { is: isGceText, read: readGceAttestation },
  { is: (bytes) => isSnpReport(bytes) || isReportResponse(bytes), read: readSnpReport },
  { is: isDstackAttestation, read: readDstackAttestation },
  // The first field of an attestation of go-tpm-tools, of bytes.
  { is: (bytes) => bytes[0] === 0x0a || bytes[0] === 0x12, read: readGceAttestation },
];

/**
 * Reads evidence of any kind that is known: TDX quotes (versions 4 and 5) and TDREPORTs, SEV-SNP reports, TPM quotes,
 * reports of Azure's paravisor, attestations of go-tpm-tools, attestation documents of AWS, and dstack's wrappers of these;
 * as they are, or in hex or base64. Nothing is verified.
 * @throws FormatError where it is of no such kind, or not what it begins as
 */
export function readEvidence(bytes: Uint8Array): Evidence {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length > MAX_EVIDENCE_BYTES) {
    throw new FormatError({ record: "evidence" }, `expected at most ${MAX_EVIDENCE_BYTES} bytes, got ${buffer.length}`);
  }
  for (const candidate of [buffer, ...decodedText(buffer)]) {
    const reader = READERS.find(({ is }) => is(candidate));
    if (reader) return reader.read(candidate);
  }
  throw new FormatError({ record: "evidence" }, "expected a quote, a report or an attestation, got something else", {
    hint: isLog(buffer) ? "it looks like an event log, which verify-log and replay read" : WHAT_IS_READ,
  });
}

/** What text in hex or base64 stands for: quotes are passed on as such. */
function decodedText(bytes: Buffer): Buffer[] {
  const text = bytes.toString("latin1").replaceAll(/\s+/g, "");
  const ofHex = bytesOfHex(text);
  if (ofHex) return [ofHex];
  return /^[\w+/-]+={0,2}$/.test(text) ? [Buffer.from(text, "base64")] : [];
}

const WHAT_IS_READ =
  "TDX quotes and TDREPORTs, SEV-SNP reports, TPM quotes, Azure HCL reports, attestations of gotpm, NitroTPM and dstack are read";

/** Whether bytes are an event log, given in place of evidence. */
function isLog(bytes: Buffer): boolean {
  try {
    return readEventLog(bytes).events.length > 0;
  } catch {
    return false;
  }
}

function isTdReport(bytes: Buffer): boolean {
  const sizeBytes = ReportMac.sizeBytes + TeeTcbInfo.sizeBytes + TdInfo.sizeBytes;
  return bytes.length >= sizeBytes && bytes.readUInt32LE() % 0x1_0000 === TEE_TDX;
}
