import { describe, expect, it } from "vitest";
import type { PhysicalMemory } from "../qtest.ts";
import { CrbTransport, isCrbIdle } from "./crb.ts";
import { readAllPcrs } from "./pcrs.ts";

const BASE = 0xfed40000;
const BUFFER_BYTES = 0xf80;

/** The interface as QEMU's hw/tpm/tpm_crb.c behaves, before a TPM that answers `answer(command)` after `delay` polls. */
class FakeCrb implements PhysicalMemory {
  readonly buffer = Buffer.alloc(BUFFER_BYTES);
  idle = true;
  assigned = false;
  running = 0;
  readonly #delay: number;
  readonly #answer: (command: Buffer) => Buffer;

  constructor(answer: (command: Buffer) => Buffer, delay = 2) {
    this.#answer = answer;
    this.#delay = delay;
  }

  async readU32(address: number): Promise<number> {
    switch (address - BASE) {
      case 0x00:
        return 0x81 | (this.assigned ? 2 : 0);
      case 0x44:
        return this.idle ? 2 : 0;
      case 0x4c:
        return this.running > 0 && this.running-- > 0 ? 1 : 0;
      case 0x58:
        return BUFFER_BYTES;
    }
    throw new Error(`no register at ${address.toString(16)}`);
  }

  async writeU32(address: number, value: number): Promise<void> {
    if (address === BASE + 0x08) this.assigned = value === 1;
    else if (address === BASE + 0x40) this.idle = value === 2;
    else if (address === BASE + 0x4c && value === 1 && this.assigned) {
      this.#answer(this.buffer.subarray(0, this.buffer.readUInt32BE(2))).copy(this.buffer);
      this.running = this.#delay;
    }
  }

  async read(address: number, sizeBytes: number): Promise<Buffer> {
    return Buffer.from(this.buffer.subarray(address - BASE - 0x80, address - BASE - 0x80 + sizeBytes));
  }

  async write(address: number, bytes: Uint8Array): Promise<void> {
    this.buffer.set(bytes, address - BASE - 0x80);
  }
}

const OK = Buffer.from("80010000000a00000000", "hex");

describe("CrbTransport", () => {
  it.each([true, false])("leaves the interface as it was found, locality assigned: %s", async (assigned) => {
    const crb = new FakeCrb(() => OK);
    crb.assigned = assigned;
    expect(await new CrbTransport(crb).send(Buffer.from(OK))).toEqual(OK);
    expect({ idle: crb.idle, assigned: crb.assigned }).toEqual({ idle: true, assigned });
  });

  it("waits for a command of the guest's that is under way", async () => {
    const crb = new FakeCrb(() => OK);
    crb.running = 5;
    crb.idle = false;
    expect(await isCrbIdle(crb)).toBe(false);
    await new CrbTransport(crb).send(Buffer.from(OK));
    expect(await isCrbIdle(crb)).toBe(true);
  });

  it("refuses a response that says it is larger than the buffer", async () => {
    const crb = new FakeCrb(() => Buffer.from("8001ffffffff00000000", "hex"));
    await expect(new CrbTransport(crb).send(Buffer.from(OK))).rejects.toMatchObject({ code: "evidence" });
  });
});

describe("readAllPcrs", () => {
  const banks = Buffer.from("80010000001900000000000000000500000001000403ffffff", "hex");

  it("asks again for what the TPM leaves out", async () => {
    const asked: string[] = [];
    const values = await readAllPcrs({
      async send(command) {
        if (command.readUInt32BE(6) === 0x17a) return banks;
        asked.push(command.toString("hex", 17));
        return pcrResponse(command.subarray(17), 8);
      },
    });
    expect(asked).toEqual(["ffffff", "00ffff", "0000ff"]);
    expect(Object.keys(values)).toEqual(["sha1"]);
    expect(Object.keys(values.sha1 ?? {})).toHaveLength(24);
    expect(values.sha1?.[17]).toBe("11".repeat(20));
  });

  it("gives up on a TPM that returns nothing", async () => {
    const send = async (command: Buffer) =>
      command.readUInt32BE(6) === 0x17a ? banks : pcrResponse(command.subarray(17), 0);
    await expect(readAllPcrs({ send })).rejects.toMatchObject({ code: "evidence" });
  });
});

/** At most `limit` of the selected registers, each filled with its own index. */
function pcrResponse(pcrSelect: Buffer, limit: number): Buffer {
  const wanted = Array.from({ length: 24 }, (_, index) => index).filter(
    (index) => ((pcrSelect[index >> 3] ?? 0) >> (index & 7)) & 1,
  );
  const given = wanted.slice(0, limit);
  const select = Buffer.alloc(3);
  for (const index of given) select[index >> 3] = (select[index >> 3] ?? 0) | (1 << (index & 7));
  const u32 = (value: number) => Buffer.from([0, 0, 0, value]);
  const digests = given.map((index) => Buffer.concat([Buffer.from([0, 20]), Buffer.alloc(20, index)]));
  const selection = Buffer.concat([Buffer.from("000403", "hex"), select]);
  const body = Buffer.concat([u32(7), u32(1), selection, u32(given.length), ...digests]);
  const header = Buffer.from("80010000000000000000", "hex");
  header.writeUInt32BE(10 + body.length, 2);
  return Buffer.concat([header, body]);
}
