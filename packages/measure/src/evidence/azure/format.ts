import { raw, record, u32le } from "@cvm-build/bytes";

/**
 * Head of what the paravisor of an Azure confidential VM leaves in the TPM at NV index 0x01400001: 32 bytes, then a
 * hardware report in 1184 bytes.
 * @see OpenVMM, openhcl/openhcl_attestation_protocol, "IgvmAttestRequestHeader"
 */
export const HclHeader = record("HCL report", 32, {
  signature: [0x00, raw(4)],
  version: [0x04, u32le],
  reportSizeBytes: [0x08, u32le],
  requestType: [0x0c, u32le],
  status: [0x10, u32le],
  reserved: [0x14, raw(12)],
});

/** What follows the hardware report, up to the runtime data. @see as above, "IgvmAttestRequestData" */
export const HclRequest = record("HCL request data", 20, {
  dataSizeBytes: [0x00, u32le],
  version: [0x04, u32le],
  reportType: [0x08, u32le],
  hashType: [0x0c, u32le],
  runtimeDataSizeBytes: [0x10, u32le],
});

/** `signature` of the head. */
export const HCL_SIGNATURE = Buffer.from("HCLA", "latin1");
/** Room for the hardware report, whatever its kind. */
export const HARDWARE_REPORT_BYTES = 1184;
/** `reportType` by kind. */
export const REPORT_TYPES = { snp: 2, tdx: 4 } as const;
/** `hashType` by algorithm: how the runtime data is hashed into the report data. */
export const HASH_TYPES = { 1: "sha256", 2: "sha384", 3: "sha512" } as const;
