import type { Duplex } from "node:stream";
import { VmError } from "./errors.ts";
import { LineChannel } from "./line-channel.ts";

/** Something that QEMU says unasked. */
export interface QmpEvent {
  event: string;
  data: Readonly<Record<string, unknown>>;
}

/** QEMU's machine protocol: JSON commands and their results. */
export interface Qmp {
  /** As QEMU states it, such as 7.2.22. */
  readonly qemuVersion: string;
  /**
   * Executes a command and gives its result.
   * @throws VmError `boot-failed` with QEMU's own words where it refuses
   */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
}

/**
 * Takes the greeting and enters command mode.
 * @see QEMU, "QEMU Machine Protocol Specification", sections 2.2 and 4
 */
export async function connectQmp(stream: Duplex, onEvent: (event: QmpEvent) => void): Promise<Qmp> {
  const channel = new LineChannel(stream, {
    name: "qmp",
    isAnswer(line) {
      // Runs as the stream delivers: what is no message is an answer, refused by whoever waits for one.
      const message = asObject(tryParse(line));
      if (typeof message.event !== "string") return true;
      onEvent({ event: message.event, data: asObject(message.data) });
      return false;
    },
  });
  const greeting = asObject(parseMessage(await channel.next()).QMP);
  const version = asObject(asObject(greeting.version).qemu);
  const execute: Qmp["execute"] = async (command, args) => {
    const line = await channel.ask(JSON.stringify({ execute: command, ...(args && { arguments: args }) }));
    const message = parseMessage(line);
    if ("return" in message) return message.return;
    const description = asObject(message.error).desc;
    throw new VmError(
      "boot-failed",
      `cannot execute QMP command "${command}": expected a result, got "${typeof description === "string" ? description : line}"`,
    );
  };
  await execute("qmp_capabilities");
  return { qemuVersion: [version.major, version.minor, version.micro].join("."), execute };
}

function parseMessage(line: string): Record<string, unknown> {
  const message = tryParse(line);
  if (message !== undefined) return asObject(message);
  throw new VmError("boot-failed", `cannot parse QMP message "${line.slice(0, 80)}": expected JSON, got other text`);
}

function tryParse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
