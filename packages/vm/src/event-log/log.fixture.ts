import { createHash } from "node:crypto";
import { DIGEST_SIZE_BYTES, type HashAlgorithm } from "@cvm-build/bytes";
import { BANK_ALGORITHM_IDS } from "../tpm/format.ts";
import type { PcrValues } from "../tpm/pcrs.ts";

/** An event of a log made for a test. */
export interface FixtureEvent {
  pcr: number;
  type: number;
  data: string;
}

const u16 = (value: number) => Buffer.from(Uint16Array.of(value).buffer);
const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);

/** TCG_PCR_EVENT with TCG_EfiSpecIdEvent. */
export function makeHeader(banks: readonly HashAlgorithm[]): Buffer {
  const specId = Buffer.concat([
    Buffer.from("Spec ID Event03\0", "latin1"),
    Buffer.from("0000000000020002", "hex"),
    u32(banks.length),
    ...banks.flatMap((bank) => [u16(BANK_ALGORITHM_IDS[bank]), u16(DIGEST_SIZE_BYTES[bank])]),
    Buffer.from([0]),
  ]);
  return Buffer.concat([u32(0), u32(3), Buffer.alloc(20), u32(specId.length), specId]);
}

/** TCG_PCR_EVENT2, its digests those of its data. */
export function makeEvent({ pcr, type, data }: FixtureEvent, banks: readonly HashAlgorithm[]): Buffer {
  const digests = banks.flatMap((bank) => [u16(BANK_ALGORITHM_IDS[bank]), createHash(bank).update(data).digest()]);
  return Buffer.concat([u32(pcr), u32(type), u32(banks.length), ...digests, u32(data.length), Buffer.from(data)]);
}

/** A page that holds EFI_TCG2_FINAL_EVENTS_TABLE. */
export function makeFinalTable(events: readonly FixtureEvent[], banks: readonly HashAlgorithm[]): Buffer {
  const page = Buffer.alloc(4096);
  const table = [u32(1), u32(0), u32(events.length), u32(0), ...events.map((event) => makeEvent(event, banks))];
  Buffer.concat(table).copy(page);
  return page;
}

/** The registers of a TPM that was extended with these events. */
export function registersAfter(events: readonly FixtureEvent[], banks: readonly HashAlgorithm[]): PcrValues {
  const values: PcrValues = {};
  for (const bank of banks) {
    const registers = Array.from({ length: 24 }, () => Buffer.alloc(DIGEST_SIZE_BYTES[bank]));
    for (const { pcr, type, data } of events) {
      if (type === 3) continue;
      const extension = createHash(bank).update(data).digest();
      registers[pcr] = createHash(bank)
        .update(registers[pcr] ?? "")
        .update(extension)
        .digest();
    }
    values[bank] = Object.fromEntries(registers.map((value, index) => [index, value.toString("hex")]));
  }
  return values;
}
