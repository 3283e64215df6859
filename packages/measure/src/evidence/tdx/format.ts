import { raw, record, u16le, u32le, u64le, u8, type ValueOf } from "@cvm-build/bytes";

/**
 * Head of a quote of version 4 or 5: 48 bytes.
 * @see Intel TDX DCAP Quoting Library API, A.3.1 "TD Quote Header"
 */
export const QuoteHeader = record("TD Quote Header", 48, {
  version: [0x00, u16le],
  attestationKeyType: [0x02, u16le],
  teeType: [0x04, u32le],
  reserved: [0x08, u32le],
  qeVendorId: [0x0c, raw(16)],
  userData: [0x1c, raw(20)],
});

/** What stands before the body in a quote of version 5. @see Intel TDX DCAP Quoting Library API, A.4 */
export const QuoteBodyDescriptor = record("TD Quote Body Descriptor", 6, {
  bodyType: [0x00, u16le],
  bodySizeBytes: [0x02, u32le],
});

/**
 * Body of a quote: 584 bytes.
 * @see Intel TDX DCAP Quoting Library API, A.3.2 "TD Quote Body"
 */
export const QuoteBody = record("TD Quote Body", 584, {
  teeTcbSvn: [0x000, raw(16)],
  mrSeam: [0x010, raw(48)],
  mrSignerSeam: [0x040, raw(48)],
  seamAttributes: [0x070, raw(8)],
  tdAttributes: [0x078, u64le],
  xfam: [0x080, u64le],
  mrTd: [0x088, raw(48)],
  mrConfigId: [0x0b8, raw(48)],
  mrOwner: [0x0e8, raw(48)],
  mrOwnerConfig: [0x118, raw(48)],
  rtmr0: [0x148, raw(48)],
  rtmr1: [0x178, raw(48)],
  rtmr2: [0x1a8, raw(48)],
  rtmr3: [0x1d8, raw(48)],
  reportData: [0x208, raw(64)],
});
export type QuoteBody = ValueOf<typeof QuoteBody>;

/** What a body of TDX 1.5 has beyond that of 1.0. @see Intel TDX DCAP Quoting Library API, A.4 */
export const QuoteBody15Tail = record("TD Quote Body for TDX 1.5", 64, {
  teeTcbSvn2: [0x00, raw(16)],
  mrServiceTd: [0x10, raw(48)],
});

/**
 * REPORTMACSTRUCT of a TDREPORT: 256 bytes.
 * @see Intel TDX Module Base Architecture Specification, "REPORTMACSTRUCT"
 */
export const ReportMac = record("REPORTMACSTRUCT", 256, {
  type: [0x00, u8],
  subtype: [0x01, u8],
  version: [0x02, u8],
  reserved0: [0x03, u8],
  reserved1: [0x04, raw(12)],
  cpuSvn: [0x10, raw(16)],
  teeTcbInfoHash: [0x20, raw(48)],
  teeInfoHash: [0x50, raw(48)],
  reportData: [0x80, raw(64)],
  reserved2: [0xc0, raw(32)],
  mac: [0xe0, raw(32)],
});

/** TEE_TCB_INFO of a TDREPORT: 239 bytes, then 17 that are reserved. @see as `ReportMac`, "TEE_TCB_INFO" */
export const TeeTcbInfo = record("TEE_TCB_INFO", 256, {
  valid: [0x00, u64le],
  teeTcbSvn: [0x08, raw(16)],
  mrSeam: [0x18, raw(48)],
  mrSignerSeam: [0x48, raw(48)],
  seamAttributes: [0x78, raw(8)],
  teeTcbSvn2: [0x80, raw(16)],
  reserved: [0x90, raw(112)],
});

/** TDINFO_STRUCT of a TDREPORT: 512 bytes. @see as `ReportMac`, "TDINFO_STRUCT" */
export const TdInfo = record("TDINFO_STRUCT", 512, {
  tdAttributes: [0x000, u64le],
  xfam: [0x008, u64le],
  mrTd: [0x010, raw(48)],
  mrConfigId: [0x040, raw(48)],
  mrOwner: [0x070, raw(48)],
  mrOwnerConfig: [0x0a0, raw(48)],
  rtmr0: [0x0d0, raw(48)],
  rtmr1: [0x100, raw(48)],
  rtmr2: [0x130, raw(48)],
  rtmr3: [0x160, raw(48)],
  serviceTdHash: [0x190, raw(48)],
  reserved: [0x1c0, raw(64)],
});

/** `teeType` of a quote, and `type` of a report, of a TD. */
export const TEE_TDX = 0x81;

/** `bodyType` of a quote of version 5, by what its body is. */
export const BODY_TYPES = { tdx10: 2, tdx15: 3 } as const;

/** Bit of `tdAttributes` of a TD that its host may debug. */
export const DEBUG_ATTRIBUTE = 1n;
