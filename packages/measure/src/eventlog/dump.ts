import { TaggedEvent, VariableData } from "./format.ts";
import type { EventLog, LoggedEvent } from "./reader.ts";

/** Longest description, in characters. */
const MAX_TEXT = 120;

/** A log as text: one line an event, with register, type, the first digest's start and what the log says of it. */
export function dumpEventLog(log: EventLog): string {
  return log.events
    .map((event) => {
      const [digest = ""] = log.algorithms.flatMap((name) => event.digests[name] ?? []).toReversed();
      const register = String(event.register).padStart(2);
      return `${register} ${event.typeName} ${digest.slice(0, 16)} ${describeEvent(event)}`.trimEnd() + "\n";
    })
    .join("");
}

/**
 * What a log says of an event, for people: an EV_IPL's text, a variable's name, an action. Empty where it says nothing
 * readable. Never throws, since what is said need not be true.
 */
export function describeEvent({ typeName, data }: LoggedEvent): string {
  switch (typeName) {
    case "EV_EFI_ACTION":
    case "EV_ACTION":
    case "EV_POST_CODE":
      return printable(data.toString("latin1"));
    case "EV_SEPARATOR":
      return data.toString("hex", 0, 4);
    case "EV_IPL":
    case "EV_S_CRTM_VERSION":
    case "EV_PLATFORM_CONFIG_FLAGS":
      return describeText(data);
    case "EV_EVENT_TAG":
      return data.length < TaggedEvent.sizeBytes ? "" : describeText(data.subarray(TaggedEvent.sizeBytes));
    case "EV_EFI_PLATFORM_FIRMWARE_BLOB2":
    case "EV_EFI_HANDOFF_TABLES2":
      return printable(data.toString("latin1", 1, 1 + (data[0] ?? 0)));
    case "EV_EFI_VARIABLE_DRIVER_CONFIG":
    case "EV_EFI_VARIABLE_BOOT":
    case "EV_EFI_VARIABLE_BOOT2":
    case "EV_EFI_VARIABLE_AUTHORITY":
      return describeVariable(data);
    case "EV_EFI_BOOT_SERVICES_APPLICATION":
    case "EV_EFI_BOOT_SERVICES_DRIVER":
      return describeDevicePath(data);
    default:
      return "";
  }
}

function describeText(data: Buffer): string {
  const looksLikeUtf16 = data.length >= 2 && data[1] === 0;
  return printable(data.toString(looksLikeUtf16 ? "utf16le" : "latin1"));
}

function describeVariable(data: Buffer): string {
  if (data.length < VariableData.sizeBytes) return "";
  const { nameChars } = VariableData.decode(data);
  const end = Math.min(data.length, VariableData.sizeBytes + nameChars * 2);
  return printable(data.toString("utf16le", VariableData.sizeBytes, end));
}

/** The file path in a loaded image's device path. @see UEFI 2.10, "File Path Media Device Path" */
function describeDevicePath(data: Buffer): string {
  const UEFI_IMAGE_LOAD_EVENT_BYTES = 32;
  const text: string[] = [];
  for (let offset = UEFI_IMAGE_LOAD_EVENT_BYTES; offset + 4 <= data.length;) {
    const lengthBytes = data.readUInt16LE(offset + 2);
    if (lengthBytes < 4) break;
    const isFilePath = data[offset] === 4 && data[offset + 1] === 4;
    const end = Math.min(data.length, offset + lengthBytes);
    if (isFilePath) text.push(printable(data.toString("utf16le", offset + 4, end)));
    offset += lengthBytes;
  }
  return text.join("");
}

function printable(text: string): string {
  const line = text.replace(/\0+$/, "").replace(/[^\x20-\x7e\u00a0-\uffff]/g, "?");
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)}…` : line;
}
