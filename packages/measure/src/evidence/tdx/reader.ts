import { digest, FormatError } from "@cvm-build/bytes";
import { Cursor } from "../cursor.ts";
import { type Evidence, emptyEvidence, fieldsOf } from "../evidence.ts";
import {
  BODY_TYPES,
  DEBUG_ATTRIBUTE,
  QuoteBody,
  QuoteBody15Tail,
  QuoteBodyDescriptor,
  QuoteHeader,
  ReportMac,
  TdInfo,
  TEE_TDX,
  TeeTcbInfo,
} from "./format.ts";

/** Registers of a TD and its attributes, as quotes and reports both have them. */
type TdRegisters = Pick<QuoteBody, "mrTd" | "rtmr0" | "rtmr1" | "rtmr2" | "rtmr3" | "tdAttributes">;

/** Whether bytes begin as a quote of a TD does. */
export function isTdxQuote(bytes: Buffer): boolean {
  return bytes.length >= 8 && [4, 5].includes(bytes.readUInt16LE(0)) && bytes.readUInt32LE(4) === TEE_TDX;
}

/**
 * Decodes a TDX quote of version 4 or 5. What follows its body, the signature and certificates, is not looked at.
 * @throws FormatError where it ends early, or is of another TEE
 * @see Intel TDX DCAP Quoting Library API, appendix A
 */
export function readTdxQuote(bytes: Uint8Array): Evidence {
  const cursor = new Cursor("TDX quote", bytes);
  const header = cursor.record(QuoteHeader);
  if (header.version !== 4 && header.version !== 5) {
    throw new FormatError({ record: "TDX quote", field: "version" }, `expected 4 or 5, got ${header.version}`);
  }
  if (header.teeType !== TEE_TDX) {
    const place = { record: "TDX quote", field: "teeType" };
    throw new FormatError(place, `expected 0x${TEE_TDX.toString(16)}, got 0x${header.teeType.toString(16)}`);
  }
  const bodyType = header.version === 4 ? BODY_TYPES.tdx10 : readBodyType(cursor);
  const body = cursor.record(QuoteBody);
  const tail = bodyType === BODY_TYPES.tdx15 ? cursor.record(QuoteBody15Tail) : {};
  const module = bodyType === BODY_TYPES.tdx15 ? "TDX 1.5" : "TDX 1.0";
  return {
    ...emptyEvidence("tdx-quote", `TDX quote, version ${header.version}, body of ${module}`),
    ...tdStateOf(body),
    fields: fieldsOf({ ...header, ...body, ...tail }),
    unchecked: ["the quote's signature and its certificates up to Intel's", "the TCB's level", "the report data"],
  };
}

/**
 * Decodes a TDREPORT, as the TDX module gives it to the guest.
 * @throws FormatError where it ends early, or is no report of a TD
 * @see Intel TDX Module Base Architecture Specification, "TDREPORT_STRUCT"
 */
export function readTdReport(bytes: Uint8Array): Evidence {
  const cursor = new Cursor("TDREPORT", bytes);
  const mac = cursor.record(ReportMac);
  if (mac.type !== TEE_TDX) {
    const place = { record: "TDREPORT", field: "type" };
    throw new FormatError(place, `expected 0x${TEE_TDX.toString(16)}, got 0x${mac.type.toString(16)}`);
  }
  const tcb = cursor.record(TeeTcbInfo);
  const infoOffset = cursor.offsetBytes;
  const info = cursor.record(TdInfo);
  const infoHash = digest("sha384", bytes.subarray(infoOffset, infoOffset + TdInfo.sizeBytes));
  return {
    ...emptyEvidence("td-report", "TDREPORT"),
    ...tdStateOf(info),
    fields: fieldsOf({ ...mac, ...tcb, ...info }),
    checks: [{ what: "the TD's information hashes to teeInfoHash", holds: infoHash.equals(mac.teeInfoHash) }],
    unchecked: ["the report's MAC, which only its own processor can check"],
  };
}

/** Registers and warnings that follow from a quote's or a report's fields. */
export function tdStateOf(td: TdRegisters): Pick<Evidence, "registers" | "warnings"> {
  const isDebugged = (td.tdAttributes & DEBUG_ATTRIBUTE) !== 0n;
  const rtmrs = [td.rtmr0, td.rtmr1, td.rtmr2, td.rtmr3];
  return {
    registers: {
      pcr: {},
      mrtd: td.mrTd.toString("hex"),
      rtmr: Object.fromEntries(rtmrs.map((value, index) => [index, value.toString("hex")])),
    },
    warnings: isDebugged ? ["the TD is one for debugging: its host can read and change it"] : [],
  };
}

function readBodyType(cursor: Cursor): number {
  const { bodyType, bodySizeBytes } = cursor.record(QuoteBodyDescriptor);
  const sizes: Record<number, number> = {
    [BODY_TYPES.tdx10]: QuoteBody.sizeBytes,
    [BODY_TYPES.tdx15]: QuoteBody.sizeBytes + QuoteBody15Tail.sizeBytes,
  };
  const expected = sizes[bodyType];
  if (expected === undefined) throw cursor.error("bodyType", `expected that of a TD, 2 or 3, got ${bodyType}`);
  if (bodySizeBytes !== expected) throw cursor.error("bodySizeBytes", `expected ${expected}, got ${bodySizeBytes}`);
  return bodyType;
}
