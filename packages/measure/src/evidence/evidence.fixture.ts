import { digest } from "@cvm-build/bytes";
import { HARDWARE_REPORT_BYTES, HCL_SIGNATURE, HclHeader, HclRequest } from "./azure/format.ts";
import { AttestationReport } from "./snp/format.ts";
import {
  QuoteBody,
  QuoteBody15Tail,
  QuoteBodyDescriptor,
  QuoteHeader,
  ReportMac,
  TdInfo,
  TeeTcbInfo,
} from "./tdx/format.ts";
import { AttestClock, AttestHeader } from "./tpm/format.ts";

/** A register's value that tells it from others. */
export const filled = (sizeBytes: number, byte: number): Buffer => Buffer.alloc(sizeBytes, byte);

/** Makes a report of SEV-SNP. */
export function makeSnpReport(changes: Partial<AttestationReport> = {}): Buffer {
  return AttestationReport.encode({
    ...AttestationReport.decode(Buffer.alloc(AttestationReport.sizeBytes)),
    version: 3,
    policy: 0x30000n,
    measurement: filled(48, 0x11),
    ...changes,
  });
}

/** Makes a quote of a TD, without a signature. */
export function makeTdxQuote({ version = 4, bodyType = 2, teeType = 0x81, tdAttributes = 0n } = {}): Buffer {
  const header = QuoteHeader.encode({ ...QuoteHeader.decode(Buffer.alloc(48)), version, teeType });
  const body = QuoteBody.encode({
    ...QuoteBody.decode(Buffer.alloc(QuoteBody.sizeBytes)),
    tdAttributes,
    mrTd: filled(48, 0x22),
    rtmr0: filled(48, 0x30),
    rtmr1: filled(48, 0x31),
    rtmr2: filled(48, 0x32),
    rtmr3: filled(48, 0x33),
  });
  if (version === 4) return Buffer.concat([header, body]);
  const tail = bodyType === 3 ? filled(QuoteBody15Tail.sizeBytes, 0x44) : Buffer.alloc(0);
  const bodySizeBytes = body.length + tail.length;
  return Buffer.concat([header, QuoteBodyDescriptor.encode({ bodyType, bodySizeBytes }), body, tail]);
}

/** Makes a TDREPORT. */
export function makeTdReport({ reportData = Buffer.alloc(64) } = {}): Buffer {
  const info = TdInfo.encode({
    ...TdInfo.decode(Buffer.alloc(TdInfo.sizeBytes)),
    mrTd: filled(48, 0x22),
    rtmr2: filled(48, 0x32),
  });
  const mac = ReportMac.encode({
    ...ReportMac.decode(Buffer.alloc(ReportMac.sizeBytes)),
    type: 0x81,
    reportData,
    teeInfoHash: digest("sha384", info),
  });
  return Buffer.concat([mac, Buffer.alloc(TeeTcbInfo.sizeBytes), info]);
}

/** Makes what Azure's paravisor leaves in the TPM. */
export function makeHclReport(kind: "snp" | "tdx", runtimeData: string): Buffer {
  const reportData = Buffer.concat([digest("sha256", Buffer.from(runtimeData)), Buffer.alloc(32)]);
  const report = kind === "snp" ? makeSnpReport({ reportData }) : makeTdReport({ reportData });
  return Buffer.concat([
    HclHeader.encode({
      ...HclHeader.decode(Buffer.alloc(HclHeader.sizeBytes)),
      signature: HCL_SIGNATURE,
      version: 2,
    }),
    report,
    Buffer.alloc(HARDWARE_REPORT_BYTES - report.length),
    HclRequest.encode({
      dataSizeBytes: 0,
      version: 1,
      reportType: kind === "snp" ? 2 : 4,
      hashType: 1,
      runtimeDataSizeBytes: runtimeData.length,
    }),
    Buffer.from(runtimeData),
    Buffer.alloc(100),
  ]);
}

/** Makes a TPMS_ATTEST of a quote over PCRs 0 and 11 of SHA-256. */
export function makeTpmQuote(pcrDigest: Buffer, { type = 0x8018, bank = 0x000b } = {}): Buffer {
  const sized = (bytes: Buffer) => Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
  const selection = Buffer.of(0, 0, 0, 1, bank >> 8, bank & 0xff, 3, 0x01, 0x08, 0x00);
  return Buffer.concat([
    AttestHeader.encode({ magic: 0xff54_4347, type }),
    sized(filled(34, 0x01)),
    sized(Buffer.from("nonce")),
    AttestClock.encode({ clock: 5n, resetCount: 1, restartCount: 2, safe: 1, firmwareVersion: 3n }),
    selection,
    sized(pcrDigest),
  ]);
}
