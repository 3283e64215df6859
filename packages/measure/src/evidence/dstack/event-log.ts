import { digest, FormatError } from "@cvm-build/bytes";
import { EVENT_TYPES } from "../../eventlog/format.ts";
import type { EventLog, LoggedEvent } from "../../eventlog/reader.ts";
import { bytesOfHex } from "../hex.ts";
import { DSTACK_LIMITS, RUNTIME_EVENT_TYPE } from "./format.ts";

/** An event as dstack writes it, in JSON and in binary. */
export interface DstackEvent {
  /** RTMR index. */
  imr: number;
  eventType: number;
  /** Empty where it follows from the others. */
  digest: Buffer;
  /** Name of a runtime event. */
  event: string;
  payload: Buffer;
}

/** The log in the form of a CCEL, whose register indexes are one more. */
export function eventLogOf(events: readonly DstackEvent[]): EventLog {
  return { format: "crypto-agile", algorithms: ["sha384"], events: events.map(loggedEvent), usedBytes: 0 };
}

/** Whether all runtime events have the digest that follows from their name and payload. */
export function runtimeEventsHold(events: readonly DstackEvent[]): boolean {
  const stated = events.filter(({ eventType, digest: said }) => eventType === RUNTIME_EVENT_TYPE && said.length > 0);
  return stated.every((event) => event.digest.equals(runtimeDigest(event)));
}

/**
 * Reads the log of a quote's JSON.
 * @throws FormatError where it is no list of events
 */
export function parseDstackLog(value: unknown): DstackEvent[] {
  if (!Array.isArray(value) || value.length > DSTACK_LIMITS.events) {
    throw refuse("event_log", `expected a list of at most ${DSTACK_LIMITS.events} events, got something else`);
  }
  return value.map((each: unknown): DstackEvent => {
    const entry = (typeof each === "object" && each !== null ? each : {}) as Record<string, unknown>;
    const { imr, event_type: eventType, event = "" } = entry;
    if (typeof imr !== "number" || typeof eventType !== "number" || typeof event !== "string") {
      throw refuse("event_log", "expected imr and event_type as numbers, got something else");
    }
    return { imr, eventType, event, digest: hexOf(entry, "digest"), payload: hexOf(entry, "event_payload") };
  });
}

function loggedEvent(event: DstackEvent): LoggedEvent {
  const { imr, eventType, payload } = event;
  if (!Number.isInteger(imr) || imr < 0 || imr > 3) throw refuse("imr", `expected 0..3, got ${imr}`);
  const isRuntime = eventType === RUNTIME_EVENT_TYPE;
  const value = event.digest.length === 0 && isRuntime ? runtimeDigest(event) : event.digest;
  if (value.length !== 48) throw refuse("digest", `expected 48 bytes, got ${value.length}`);
  return {
    register: imr + 1,
    eventType,
    typeName: isRuntime ? event.event : (EVENT_TYPES[eventType] ?? `0x${eventType.toString(16)}`),
    digests: { sha384: value.toString("hex") },
    data: payload,
    offsetBytes: 0,
  };
}

/** @see dstack, cc-eventlog, "RuntimeEvent", version 1 */
function runtimeDigest({ eventType, event, payload }: DstackEvent): Buffer {
  const type = Buffer.alloc(4);
  type.writeUInt32LE(eventType);
  return digest("sha384", Buffer.concat([type, Buffer.from(`:${event}:`, "utf8"), payload]));
}

function hexOf(entry: Record<string, unknown>, field: string): Buffer {
  const value = entry[field] ?? "";
  const bytes = typeof value === "string" ? bytesOfHex(value) : undefined;
  if (bytes === undefined) throw refuse(field, "expected hex");
  return bytes;
}

function refuse(field: string, expectation: string): FormatError {
  return new FormatError({ record: "dstack attestation", field }, expectation);
}
