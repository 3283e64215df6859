import { setTimeout as sleep } from "node:timers/promises";
import { VmError } from "../errors.ts";
import type { PhysicalMemory } from "../qtest.ts";
import { TpmHeader } from "./format.ts";

/** Where a PC has the command/response buffer interface of locality 0. */
const BASE = 0xfed4_0000;

/**
 * Registers of the command/response buffer interface, by offset.
 * @see TCG PC Client Platform TPM Profile for TPM 2.0, section 6.5.3, table 21
 */
const REGISTERS = {
  localityState: 0x00,
  localityControl: 0x08,
  request: 0x40,
  status: 0x44,
  start: 0x4c,
  commandSize: 0x58,
  data: 0x80,
} as const;

const LOCALITY_ASSIGNED = 1 << 1;
const REQUEST_ACCESS = 1 << 0;
const RELINQUISH = 1 << 1;
const COMMAND_READY = 1 << 0;
const GO_IDLE = 1 << 1;
const STATUS_IDLE = 1 << 1;
const START_INVOKE = 1 << 0;

/** A command takes microseconds; what is not done after this many polls, 5 ms apart, never will be. */
const MAX_POLLS = 2000;
const POLL_MS = 5;

/**
 * Says whether a paused guest is between two commands, so that one of ours goes unnoticed.
 * Linux and edk2 let the interface go idle after each command.
 */
export async function isCrbIdle(memory: PhysicalMemory): Promise<boolean> {
  const status = await memory.readU32(BASE + REGISTERS.status);
  const start = await memory.readU32(BASE + REGISTERS.start);
  return (status & STATUS_IDLE) !== 0 && (start & START_INVOKE) === 0;
}

/**
 * Sends commands to the TPM in place of the guest's driver, while the guest is paused: QEMU completes them all the same.
 * The interface is left idle and its locality as it was found.
 * @throws VmError `evidence` where the TPM does not answer
 */
export class CrbTransport {
  readonly #memory: PhysicalMemory;

  constructor(memory: PhysicalMemory) {
    this.#memory = memory;
  }

  /** Sends one command and gives the response, header included. */
  async send(command: Buffer): Promise<Buffer> {
    const memory = this.#memory;
    await this.#untilDone();
    const assigned = (await memory.readU32(BASE + REGISTERS.localityState)) & LOCALITY_ASSIGNED;
    if (!assigned) await memory.writeU32(BASE + REGISTERS.localityControl, REQUEST_ACCESS);
    await memory.writeU32(BASE + REGISTERS.request, COMMAND_READY);
    await memory.write(BASE + REGISTERS.data, command);
    await memory.writeU32(BASE + REGISTERS.start, START_INVOKE);
    await this.#untilDone();
    const response = await this.#readResponse();
    await memory.writeU32(BASE + REGISTERS.request, GO_IDLE);
    if (!assigned) await memory.writeU32(BASE + REGISTERS.localityControl, RELINQUISH);
    return response;
  }

  async #readResponse(): Promise<Buffer> {
    const bufferBytes = await this.#memory.readU32(BASE + REGISTERS.commandSize);
    const header = await this.#memory.read(BASE + REGISTERS.data, TpmHeader.sizeBytes);
    const { sizeBytes } = TpmHeader.decode(header);
    if (sizeBytes < TpmHeader.sizeBytes || sizeBytes > bufferBytes) {
      throw new VmError(
        "evidence",
        `cannot read the TPM's response: expected ${TpmHeader.sizeBytes} to ${bufferBytes} bytes, got ${sizeBytes}`,
      );
    }
    return this.#memory.read(BASE + REGISTERS.data, sizeBytes);
  }

  /** Waits for a command that is under way, ours or one that the guest had sent before it was paused. */
  async #untilDone(): Promise<void> {
    for (let poll = 0; poll < MAX_POLLS; poll++) {
      if (((await this.#memory.readU32(BASE + REGISTERS.start)) & START_INVOKE) === 0) return;
      if (poll > 10) await sleep(POLL_MS);
    }
    throw new VmError("evidence", "cannot send a command to the TPM: expected it to answer, got none within 10 s");
  }
}
