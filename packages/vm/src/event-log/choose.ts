import { createHash } from "node:crypto";
import { DIGEST_SIZE_BYTES, type HashAlgorithm } from "@cvm-build/bytes";
import type { PcrValues } from "../tpm/pcrs.ts";
import { EV_NO_ACTION, type LogCandidate, type LogEntry } from "./scan.ts";

/** Registers that only firmware extends, which a complete log therefore explains. */
const FIRMWARE_PCRS = [0, 1, 2, 3, 4, 5, 6, 7] as const;
/** Registers that a log can explain at all: the others change by themselves or can be reset. */
const STATIC_PCRS = Array.from({ length: 16 }, (_, index) => index);

/** A log put together from memory, and how far the registers bear it out. */
export interface FoundLog {
  candidate: LogCandidate;
  /** Entries of the final events table that the log itself lacks. */
  finalEntries: readonly LogEntry[];
  /** Registers 0..15 whose values the log gives, in every bank that it has. */
  explained: readonly number[];
  /** Whether the log explains every register that only firmware extends. */
  isComplete: boolean;
}

/**
 * The log that explains most registers, with the entries of a final events table where these help.
 * @param finalTables the entries of each final events table found
 */
export function chooseLog(
  candidates: readonly LogCandidate[],
  { finalTables, pcrs }: { finalTables: readonly (readonly LogEntry[])[]; pcrs: PcrValues },
): FoundLog | undefined {
  const found = candidates
    .flatMap((candidate) => [[], ...finalTables].map((table) => judge(candidate, { table, pcrs })))
    .sort((a, b) => b.explained.length - a.explained.length || entryCount(b) - entryCount(a));
  return found[0];
}

/** The log's bytes: header and entries, as a verifier reads them. */
export function logBytes({ candidate, finalEntries }: FoundLog): Buffer {
  return Buffer.concat([candidate.header, ...[...candidate.entries, ...finalEntries].map((entry) => entry.bytes)]);
}

function judge(candidate: LogCandidate, { table, pcrs }: { table: readonly LogEntry[]; pcrs: PcrValues }): FoundLog {
  const finalEntries = withoutOverlap(candidate.entries, table);
  const entries = [...candidate.entries, ...finalEntries];
  const explained = STATIC_PCRS.filter((index) =>
    candidate.banks.every((bank) => pcrs[bank] === undefined || pcrs[bank][index] === replay(entries, { bank, index })),
  );
  const isComplete = FIRMWARE_PCRS.every((index) => explained.includes(index));
  return { candidate, finalEntries, explained, isComplete };
}

/** The final events table repeats what was logged between the first reading of the log and its last copy. */
function withoutOverlap(log: readonly LogEntry[], table: readonly LogEntry[]): readonly LogEntry[] {
  for (let shared = Math.min(log.length, table.length); shared > 0; shared--) {
    const tail = log.slice(log.length - shared);
    if (tail.every((entry, index) => table[index]?.bytes.equals(entry.bytes))) return table.slice(shared);
  }
  return table;
}

/** Value of one register after the entries, as lower-case hex. */
function replay(entries: readonly LogEntry[], { bank, index }: { bank: HashAlgorithm; index: number }): string {
  let value: Buffer = Buffer.alloc(DIGEST_SIZE_BYTES[bank]);
  for (const entry of entries) {
    if (entry.type === EV_NO_ACTION) {
      if (index === 0 && entry.data.toString("latin1", 0, 16) === "StartupLocality\0") {
        value = Buffer.alloc(value.length);
        value[value.length - 1] = entry.data[16] ?? 0;
      }
      continue;
    }
    const extension = entry.pcr === index ? entry.digests.get(bank) : undefined;
    if (extension) value = createHash(bank).update(value).update(extension).digest();
  }
  return value.toString("hex");
}

function entryCount({ candidate, finalEntries }: FoundLog): number {
  return candidate.entries.length + finalEntries.length;
}
