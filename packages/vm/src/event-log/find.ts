import type { GuestMemory, RamRange } from "../guest-memory.ts";
import { VmError } from "../errors.ts";
import type { PcrValues } from "../tpm/pcrs.ts";
import { chooseLog, type FoundLog } from "./choose.ts";
import {
  type LogCandidate,
  type LogEntry,
  MAX_LOG_BYTES,
  scanEntries,
  scanLog,
  SPEC_ID_OFFSET_BYTES,
  SPEC_ID_SIGNATURE,
} from "./scan.ts";

const WINDOW_BYTES = 32 << 20;
const PAGE_BYTES = 4096;
/** A header that straddles two windows is still seen whole. */
const OVERLAP_BYTES = PAGE_BYTES;
const MAX_CANDIDATES = 32;
const MAX_FINAL_TABLES = 16;
const MAX_FINAL_ENTRIES = 1024;

/**
 * Finds the TCG event log in a paused guest's RAM, without the guest's help: every place that begins like a log is read as one,
 * completed from the EFI final events table, and held against the registers.
 *
 * Firmware allocates from the top of low memory downwards, and so the search goes that way and ends with the first log
 * that explains all of PCR 0..7.
 * @throws VmError `evidence` where no log is found
 */
export async function findEventLog(
  memory: Pick<GuestMemory, "read">,
  { ranges, pcrs }: { ranges: readonly RamRange[]; pcrs: PcrValues },
): Promise<FoundLog> {
  const candidates: LogCandidate[] = [];
  const tablePages: Buffer[] = [];
  let best: FoundLog | undefined;
  for (const window of windowsDownwards(ranges)) {
    const bytes = await memory.read(window);
    const heads = headerOffsets(bytes);
    const pages = finalTableOffsets(bytes);
    if (heads.length === 0 && pages.length === 0) continue;
    for (const offset of heads.slice(0, MAX_CANDIDATES - candidates.length)) {
      const candidate = scanLog(await readAt(memory, { bytes, offset, window, ranges }));
      if (candidate !== undefined) candidates.push(candidate);
    }
    for (const offset of pages.slice(0, MAX_FINAL_TABLES - tablePages.length)) {
      tablePages.push(await readAt(memory, { bytes, offset, window, ranges }));
    }
    best = chooseLog(candidates, { finalTables: finalTables(tablePages, candidates), pcrs });
    if (best?.isComplete) return best;
  }
  if (best !== undefined) return best;
  throw new VmError(
    "evidence",
    "cannot find the event log in guest memory: expected one that firmware wrote, got none",
    {
      hint: "use firmware that supports TPM 2.0",
    },
  );
}

/** Ranges in order, each from its end, in windows that overlap upwards. */
function* windowsDownwards(ranges: readonly RamRange[]): Generator<RamRange> {
  for (const { startAddress, sizeBytes } of ranges) {
    const end = startAddress + sizeBytes;
    for (let top = end; top > startAddress; top -= WINDOW_BYTES) {
      const from = Math.max(startAddress, top - WINDOW_BYTES);
      yield { startAddress: from, sizeBytes: Math.min(top + OVERLAP_BYTES, end) - from };
    }
  }
}

function headerOffsets(bytes: Buffer): number[] {
  const offsets: number[] = [];
  for (let at = bytes.indexOf(SPEC_ID_SIGNATURE); at >= 0; at = bytes.indexOf(SPEC_ID_SIGNATURE, at + 1)) {
    if (at >= SPEC_ID_OFFSET_BYTES) offsets.push(at - SPEC_ID_OFFSET_BYTES);
  }
  return offsets;
}

/**
 * Pages that begin like EFI_TCG2_FINAL_EVENTS_TABLE, which edk2 allocates by pages: version 1, a small count, a register, an entry.
 * @see TCG EFI Protocol Specification, section 7
 */
function finalTableOffsets(bytes: Buffer): number[] {
  const offsets: number[] = [];
  for (let at = 0; at + PAGE_BYTES <= bytes.length; at += PAGE_BYTES) {
    if (bytes.readUInt32LE(at) !== 1 || bytes.readUInt32LE(at + 4) !== 0) continue;
    const count = bytes.readUInt32LE(at + 8);
    if (count > 0 && count <= MAX_FINAL_ENTRIES && bytes.readUInt32LE(at + 12) === 0) offsets.push(at);
  }
  return offsets;
}

/** The tables among the pages: those that hold as many entries as they say, with the digests that a log here has. */
function finalTables(pages: readonly Buffer[], candidates: readonly LogCandidate[]): LogEntry[][] {
  const bankSets = new Map(candidates.map(({ banks }) => [banks.join(), banks]));
  return [...bankSets.values()].flatMap((banks) =>
    pages.flatMap((page) => {
      const count = page.readUInt32LE(8);
      const entries = scanEntries(page.subarray(16), banks).slice(0, count);
      return entries.length === count ? [entries] : [];
    }),
  );
}

/** What a log or table may take, from its start; the window may hold only its beginning. */
async function readAt(
  memory: Pick<GuestMemory, "read">,
  place: { bytes: Buffer; offset: number; window: RamRange; ranges: readonly RamRange[] },
): Promise<Buffer> {
  const { bytes, offset, window, ranges } = place;
  if (offset + MAX_LOG_BYTES <= bytes.length) {
    return Buffer.from(bytes.subarray(offset, offset + MAX_LOG_BYTES));
  }
  const startAddress = window.startAddress + offset;
  const range = ranges.find(
    (each) => startAddress >= each.startAddress && startAddress < each.startAddress + each.sizeBytes,
  );
  const end = range === undefined ? startAddress : range.startAddress + range.sizeBytes;
  return memory.read({ startAddress, sizeBytes: Math.min(MAX_LOG_BYTES, end - startAddress) });
}
