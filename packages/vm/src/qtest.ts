import type { Duplex } from "node:stream";
import { VmError } from "./errors.ts";
import { LineChannel } from "./line-channel.ts";

/** Reads and writes of the guest's physical address space, made from outside the guest. Devices see them as the guest's own. */
export interface PhysicalMemory {
  readU32(address: number): Promise<number>;
  writeU32(address: number, value: number): Promise<void>;
  read(address: number, sizeBytes: number): Promise<Buffer>;
  write(address: number, bytes: Uint8Array): Promise<void>;
}

/**
 * The guest's physical address space by QEMU's qtest protocol.
 * @throws VmError `evidence` from each method where QEMU refuses an access
 * @see QEMU, system/qtest.c, "Protocol"
 */
export function connectQtest(stream: Duplex): PhysicalMemory {
  const channel = new LineChannel(stream, { name: "qtest", isAnswer: (line) => !line.startsWith("IRQ ") });
  const ask = async (command: string): Promise<string> => {
    const line = await channel.ask(command);
    if (line === "OK" || line.startsWith("OK ")) return line.slice(3);
    throw new VmError(
      "evidence",
      `cannot access guest memory with "${command.slice(0, 40)}": expected OK, got "${line}"`,
    );
  };
  return {
    async readU32(address) {
      return parseHex(await ask(`readl ${hex(address)}`), 4).readUInt32BE();
    },
    async writeU32(address, value) {
      await ask(`writel ${hex(address)} ${hex(value)}`);
    },
    async read(address, sizeBytes) {
      return parseHex(await ask(`read ${hex(address)} ${hex(sizeBytes)}`), sizeBytes);
    },
    async write(address, bytes) {
      await ask(`write ${hex(address)} ${hex(bytes.length)} 0x${Buffer.from(bytes).toString("hex")}`);
    },
  };
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** The last `sizeBytes` bytes of a hexadecimal number: qtest prints 32-bit values with 16 digits. */
function parseHex(text: string, sizeBytes: number): Buffer {
  const digits = text.replace(/^0x/, "").slice(-2 * sizeBytes);
  const bytes = Buffer.from(digits, "hex");
  if (bytes.length !== sizeBytes) {
    throw new VmError("evidence", `cannot parse guest memory: expected ${sizeBytes} bytes, got "${text.slice(0, 40)}"`);
  }
  return bytes;
}
