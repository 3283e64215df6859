import { FormatError } from "@cvm-build/bytes";
import { type Evidence, emptyEvidence, fieldsOf } from "../evidence.ts";
import { AttestationReport, POLICY, REPORT_VERSIONS, ReportResponse } from "./format.ts";

/** Whether bytes begin as an attestation report of SEV-SNP does. */
export function isSnpReport(bytes: Buffer): boolean {
  if (bytes.length < AttestationReport.sizeBytes) return false;
  const { version, policy, vmpl, reserved0 } = AttestationReport.decode(bytes);
  return isKnownVersion(version) && (policy & POLICY.reservedOne) !== 0n && reserved0 === 0 && isVmpl(vmpl);
}

/** Whether bytes begin as the answer to a guest's request for a report does. */
export function isReportResponse(bytes: Buffer): boolean {
  if (bytes.length < ReportResponse.sizeBytes) return false;
  const { status, reportSizeBytes } = ReportResponse.decode(bytes);
  const isOfReport = status === 0 && reportSizeBytes === AttestationReport.sizeBytes;
  return isOfReport && isSnpReport(bytes.subarray(ReportResponse.sizeBytes));
}

/**
 * Decodes an attestation report of SEV-SNP, with or without the head of the firmware's answer. What follows it, such as
 * certificates, is not looked at.
 * @throws FormatError where it ends early, or is of another version
 * @see AMD, SEV Secure Nested Paging Firmware ABI Specification, "ATTESTATION_REPORT"
 */
export function readSnpReport(bytes: Buffer): Evidence {
  const report = AttestationReport.decode(bytes, isReportResponse(bytes) ? ReportResponse.sizeBytes : 0);
  const { version, policy } = report;
  if (!isKnownVersion(version)) {
    const expected = `${REPORT_VERSIONS.first}..${REPORT_VERSIONS.last}`;
    throw new FormatError({ record: "ATTESTATION_REPORT", field: "version" }, `expected ${expected}, got ${version}`);
  }
  if ((policy & POLICY.reservedOne) === 0n) {
    const place = { record: "ATTESTATION_REPORT", field: "policy" };
    throw new FormatError(place, `expected bit 17 set, got 0x${policy.toString(16)}`);
  }
  return {
    ...emptyEvidence("snp-report", `SEV-SNP attestation report, version ${version}`),
    ...guestStateOf(report),
    fields: fieldsOf(report),
    unchecked: ["the report's signature and its certificates up to AMD's", "the TCB's version", "the report data"],
  };
}

/** Registers and warnings that follow from a report's fields. */
export function guestStateOf({
  measurement,
  policy,
}: Pick<AttestationReport, "measurement" | "policy">): Pick<Evidence, "registers" | "warnings"> {
  return {
    registers: { pcr: {}, launchDigest: measurement.toString("hex") },
    warnings: [
      ...((policy & POLICY.debug) !== 0n ? ["the guest's policy allows debugging: its host can read it"] : []),
      ...((policy & POLICY.migrationAgent) !== 0n ? ["the guest's policy allows a migration agent"] : []),
    ],
  };
}

/** 0..3, or all bits set where the host asked for the report. */
function isVmpl(vmpl: number): boolean {
  return vmpl <= 3 || vmpl === 0xffff_ffff;
}

function isKnownVersion(version: number): boolean {
  return version >= REPORT_VERSIONS.first && version <= REPORT_VERSIONS.last;
}
