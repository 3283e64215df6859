import { digest } from "@cvm-build/bytes";
import type { MeasuredEvent } from "../event.ts";
import type { RtmrIndex } from "../eventlog/replay.ts";

/** Bytes that are measured, or only their SHA-384 digest in lower-case hex, as an event log has it. */
export type Measurable = Uint8Array | { sha384: string };

/** An extension of an RTMR. What is not known has no digest. */
export function rtmrEvent(
  index: number,
  { type, label, source }: Pick<MeasuredEvent, "type" | "label" | "source">,
  content: Measurable | undefined,
): MeasuredEvent {
  const digests = content === undefined ? {} : { sha384: sha384Of(content) };
  return { register: `rtmr${rtmrIndex(index)}`, type, label, source, digests };
}

/** A number as an RTMR index. */
function rtmrIndex(index: number): RtmrIndex {
  return index as RtmrIndex;
}

function sha384Of(content: Measurable): string {
  return content instanceof Uint8Array ? digest("sha384", content).toString("hex") : content.sha384;
}
