import { CvmError } from "@cvm-build/bytes";
import type { MeasuredEvent } from "../event.ts";
import { readTdvfMetadata, type TdvfMetadata, type TdvfSectionType } from "../firmware/tdvf-metadata.ts";
import type { Unpredicted } from "../prediction.ts";
import { foldRtmr } from "./rtmr.ts";
import { type Measurable, rtmrEvent } from "./rtmr-event.ts";

/** What td-shim starts. */
export type TdShimPayload =
  /** A kernel that the VMM hands to it, with its command line. */
  | { kind: "linux"; kernel: Uint8Array; commandLine: Uint8Array }
  /** What is in its own image: the PE or ELF of its payload volume, signed where td-shim verifies it. */
  | { kind: "builtin"; image: Measurable; verified?: { trustAnchor: Measurable; svn: bigint } };

/** td-shim, as far as its RTMRs depend on it. */
export interface TdShimBoot {
  /** The image that the VMM loads. */
  firmware: Buffer;
  payload: TdShimPayload;
  /**
   * The list of hand-off blocks that the VMM makes, with the block that ends it; which VMM makes which differs, and some
   * put ACPI tables into it. Not needed where the image does not ask for one.
   */
  tdHob?: Measurable;
}

/** RTMRs under td-shim. */
export interface TdShimPrediction {
  events: MeasuredEvent[];
  /** SHA-384, by index. */
  rtmr: Record<number, string>;
  unpredicted: Unpredicted[];
}

const CONFIGURATION = "EV_PLATFORM_CONFIG_FLAGS";
const SVN_BYTES = 8;

/**
 * Predicts the RTMRs of a TD that td-shim starts. MRTD is `predictMrtd`'s.
 * @throws FormatError where the image is not for TDX; CvmError `platform` where the payload does not fit
 * @see td-shim specification, 3.5 "Measurement"; td-shim/src/bin/td-shim/main.rs
 */
export function predictTdShim(boot: TdShimBoot): TdShimPrediction {
  const metadata = readTdvfMetadata(boot.firmware);
  const hasHob = metadata.sections.some(({ type }) => type === "TD_HOB");
  const source = { setting: "TD HOB" };
  const hob = hasHob ? [rtmrEvent(0, { type: CONFIGURATION, label: "td_hob", source }, boot.tdHob)] : [];
  const events = [...hob, ...payloadEvents(boot.payload, metadata)];
  const isOpen = hasHob && boot.tdHob === undefined;
  const rtmrs = [0, 1, 2, 3].filter((index) => index > 0 || !isOpen);
  return {
    events,
    rtmr: Object.fromEntries(rtmrs.map((index) => [index, foldRtmr(events, index)])),
    unpredicted: isOpen ? [{ register: "rtmr0", reason: "depends on the TD HOB, which the VMM makes" }] : [],
  };
}

function payloadEvents(payload: TdShimPayload, metadata: TdvfMetadata): MeasuredEvent[] {
  const separator = { type: "EV_SEPARATOR", label: "separator", source: { constant: "separator" } };
  const line = [0, 1].map((index) => rtmrEvent(index, separator, Buffer.alloc(4)));
  const section = metadata.sections.find(({ type }) => type === "Payload");
  // What is measured into MRTD is not measured again.
  const isInRtmr = section !== undefined && !section.isExtended && !section.isAugmented;
  const image = (content: Measurable) => {
    const event = { type: "EV_EFI_PLATFORM_FIRMWARE_BLOB2", label: "td_payload", source: { file: "payload" } };
    return isInRtmr ? [rtmrEvent(1, event, content)] : [];
  };
  if (payload.kind === "builtin") return [...verificationEvents(payload), ...image(payload.image), ...line];
  const parameter = { type: CONFIGURATION, label: "td_payload_info", source: { setting: "command line" } };
  const commandLine = inSection(metadata, { type: "PayloadParam", content: payload.commandLine });
  const kernel = isInRtmr ? image(inSection(metadata, { type: "Payload", content: payload.kernel })) : [];
  return [...line, ...kernel, rtmrEvent(1, parameter, commandLine)];
}

function verificationEvents({ verified }: Extract<TdShimPayload, { kind: "builtin" }>): MeasuredEvent[] {
  if (!verified) return [];
  const event = (label: string) => ({ type: CONFIGURATION, label, source: { setting: "trust anchor" } });
  const svn = Buffer.alloc(SVN_BYTES);
  svn.writeBigUInt64LE(verified.svn);
  return [
    rtmrEvent(0, event("secure_policy_db"), verified.trustAnchor),
    rtmrEvent(0, event("secure_authority"), verified.trustAnchor),
    rtmrEvent(1, { ...event("td_payload_svn"), source: { setting: "SVN of the payload" } }, svn),
  ];
}

/** What the VMM puts into a section, with the zeros up to its end: all of it is measured. */
function inSection(
  { sections }: TdvfMetadata,
  { type, content }: { type: TdvfSectionType; content: Uint8Array },
): Buffer {
  const roomBytes = sections.find((section) => section.type === type)?.memoryDataSizeBytes ?? 0;
  if (content.byteLength > roomBytes || roomBytes > MAX_PAYLOAD_BYTES) {
    const expectation = `expected a section ${type} of ${content.byteLength} to ${MAX_PAYLOAD_BYTES} bytes`;
    throw new CvmError("platform", `cannot place a payload in "td-shim": ${expectation}, got ${roomBytes}`);
  }
  return Buffer.concat([content, Buffer.alloc(roomBytes - content.byteLength)]);
}

/** More than any kernel has. */
const MAX_PAYLOAD_BYTES = 2 ** 28;
