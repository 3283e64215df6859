import { raw, record, u32le, u64le, u8, type ValueOf } from "@cvm-build/bytes";

/**
 * Attestation report of SEV-SNP, versions 2 to 5: 1184 bytes.
 * @see AMD, SEV Secure Nested Paging Firmware ABI Specification, "ATTESTATION_REPORT"
 */
export const AttestationReport = record("ATTESTATION_REPORT", 1184, {
  version: [0x000, u32le],
  guestSvn: [0x004, u32le],
  policy: [0x008, u64le],
  familyId: [0x010, raw(16)],
  imageId: [0x020, raw(16)],
  vmpl: [0x030, u32le],
  signatureAlgorithm: [0x034, u32le],
  currentTcb: [0x038, u64le],
  platformInfo: [0x040, u64le],
  signerInfo: [0x048, u32le],
  reserved0: [0x04c, u32le],
  reportData: [0x050, raw(64)],
  measurement: [0x090, raw(48)],
  hostData: [0x0c0, raw(32)],
  idKeyDigest: [0x0e0, raw(48)],
  authorKeyDigest: [0x110, raw(48)],
  reportId: [0x140, raw(32)],
  reportIdMa: [0x160, raw(32)],
  reportedTcb: [0x180, u64le],
  // The processor's family, model and stepping: from version 3 on.
  cpuidFamily: [0x188, u8],
  cpuidModel: [0x189, u8],
  cpuidStepping: [0x18a, u8],
  reserved1: [0x18b, raw(21)],
  chipId: [0x1a0, raw(64)],
  committedTcb: [0x1e0, u64le],
  currentBuild: [0x1e8, u8],
  currentMinor: [0x1e9, u8],
  currentMajor: [0x1ea, u8],
  reserved2: [0x1eb, u8],
  committedBuild: [0x1ec, u8],
  committedMinor: [0x1ed, u8],
  committedMajor: [0x1ee, u8],
  reserved3: [0x1ef, u8],
  launchTcb: [0x1f0, u64le],
  // From version 5 on.
  launchMitigations: [0x1f8, u64le],
  currentMitigations: [0x200, u64le],
  reserved4: [0x208, raw(152)],
  signature: [0x2a0, raw(512)],
});
export type AttestationReport = ValueOf<typeof AttestationReport>;

/** What stands before the report in the answer to a guest's request. @see as above, "MSG_REPORT_RSP" */
export const ReportResponse = record("MSG_REPORT_RSP", 32, {
  status: [0x00, u32le],
  reportSizeBytes: [0x04, u32le],
  reserved: [0x08, raw(24)],
});

/** Versions of the report that are understood. */
export const REPORT_VERSIONS = { first: 2, last: 5 } as const;

/** Bits of a guest's policy. @see as above, "Guest Policy" */
export const POLICY = { reservedOne: 1n << 17n, migrationAgent: 1n << 18n, debug: 1n << 19n } as const;
