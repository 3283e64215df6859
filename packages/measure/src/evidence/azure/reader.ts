import { digest } from "@cvm-build/bytes";
import { Cursor } from "../cursor.ts";
import { type Evidence, emptyEvidence, joinEvidence } from "../evidence.ts";
import { readSnpReport } from "../snp/reader.ts";
import { readTdReport } from "../tdx/reader.ts";
import { HARDWARE_REPORT_BYTES, HASH_TYPES, HCL_SIGNATURE, HclHeader, HclRequest, REPORT_TYPES } from "./format.ts";

/** Whether bytes begin as the report of Azure's paravisor does. */
export function isHclReport(bytes: Buffer): boolean {
  return bytes.subarray(0, HCL_SIGNATURE.length).equals(HCL_SIGNATURE);
}

/**
 * Decodes what the paravisor (HCL, OpenHCL) of an Azure confidential VM leaves in its TPM: an SNP report or a TDREPORT, and
 * the runtime data whose hash is the report data. The guest's boot is not in it, but in the TPM's PCRs.
 * @throws FormatError where it ends early, or is of another kind
 * @see OpenVMM, openhcl/openhcl_attestation_protocol
 */
export function readHclReport(bytes: Buffer): Evidence {
  const cursor = new Cursor("HCL report", bytes);
  const { signature, version } = cursor.record(HclHeader);
  if (!signature.equals(HCL_SIGNATURE)) throw cursor.error("signature", "expected HCLA, got something else");
  const hardwareReport = cursor.bytes(HARDWARE_REPORT_BYTES, "hardware report");
  const { reportType, hashType, runtimeDataSizeBytes } = cursor.record(HclRequest);
  const runtimeData = cursor.bytes(runtimeDataSizeBytes, "runtimeData");
  if (reportType !== REPORT_TYPES.snp && reportType !== REPORT_TYPES.tdx) {
    throw cursor.error("reportType", `expected 2 (SNP) or 4 (TDX), got ${reportType}`);
  }
  const hash = HASH_TYPES[hashType as keyof typeof HASH_TYPES];
  if (hash === undefined) throw cursor.error("hashType", `expected 1..3, got ${hashType}`);
  const isSnp = reportType === REPORT_TYPES.snp;
  const inner = isSnp ? readSnpReport(hardwareReport) : readTdReport(hardwareReport);
  const said = Buffer.from(inner.fields["reportData"] ?? "", "hex");
  const hashed = digest(hash, runtimeData);
  const outer = emptyEvidence("azure-hcl-report", `Azure HCL report, version ${version}, of ${isSnp ? "SNP" : "TDX"}`);
  return joinEvidence(
    {
      ...outer,
      fields: { runtimeData: runtimeData.toString("utf8") },
      checks: [
        { what: "the runtime data hashes to the report data", holds: said.subarray(0, hashed.length).equals(hashed) },
      ],
      warnings: ["it covers the paravisor only: what the guest booted is in the TPM's PCRs"],
    },
    inner,
  );
}
