import { type HashAlgorithm, HASH_ALGORITHMS } from "@cvm-build/bytes";
import {
  describeSelections,
  type Evidence,
  type PcrQuote,
  type PcrValues,
  quotedDigest,
  withPcrValues,
} from "@cvm-build/measure";
import type { PlatformMeasurements, PublishedEvent } from "../measurements.ts";
import { type OpenLog, replayed } from "./log.ts";
import { isLogged, settleAlternatives, withValues } from "./prediction-of-log.ts";
import { extended, startOf } from "../register-values.ts";

/** A quote whose digest is of no values that are known. */
export interface UnresolvedQuote {
  /** `sha256:0,4,11`. */
  selection: string;
  /** PCRs that are selected, and have no known value. Where there are none, the machine's differ from all that are known. */
  missing: string[];
}

/** How many combinations of registers with several values are tried. */
const MAX_COMBINATIONS = 256;

/**
 * Finds the values behind quotes that come without: those that were published, at the boot's end or after a phase before it,
 * or those that the log leads to. A digest that they hash to proves them.
 * @returns the evidence with the values that were found, and the quotes of which they were not
 */
export function resolveQuotes(
  evidence: Evidence,
  { platform, opened }: { platform: PlatformMeasurements; opened: OpenLog | undefined },
): { evidence: Evidence; unresolved: UnresolvedQuote[] } {
  const bare = evidence.pcrQuotes.filter(({ selections }) =>
    selections.some(({ bank }) => evidence.registers.pcr[bank] === undefined),
  );
  if (bare.length === 0) return { evidence, unresolved: [] };
  const byLog = opened?.kind === "tpm" ? logCandidates(opened, platform) : [];
  const published = publishedCandidates(platform).map((values) => merge(byLog[0] ?? {}, values));
  const candidates = [...published, ...byLog];
  let resolved = evidence;
  const unresolved: UnresolvedQuote[] = [];
  for (const quote of bare) {
    const values = candidates.find((candidate) => quotedDigest(quote, candidate) === quote.pcrDigest);
    if (values)
      resolved = {
        ...resolved,
        ...withPcrValues({ ...resolved, pcrQuotes: [quote] }, values),
        pcrQuotes: evidence.pcrQuotes,
      };
    else
      unresolved.push({
        selection: describeSelections(quote.selections),
        missing: missingOf(quote, published[0] ?? {}),
      });
  }
  return { evidence: resolved, unresolved };
}

function missingOf({ selections }: PcrQuote, values: PcrValues): string[] {
  return selections.flatMap(({ bank, pcrs }) =>
    pcrs.filter((pcr) => values[bank]?.[pcr] === undefined).map((pcr) => `${bank}:${pcr}`),
  );
}

/** What was published: at the boot's end, then after each phase before it. */
function publishedCandidates(platform: PlatformMeasurements): PcrValues[] {
  const ends = combinations(platform);
  const paths = new Set(Object.values(platform.phases).flatMap((byPath) => Object.keys(byPath)));
  const ofPhases = [...paths].flatMap((path) => {
    const values = HASH_ALGORITHMS.flatMap((bank) => {
      const value = platform.phases[bank]?.[path];
      return value === undefined ? [] : [{ register: "pcr11", bank, value } as const];
    });
    return ends.map((pcr) => withValues({ pcr }, values).pcr);
  });
  return [...ends, ...ofPhases];
}

function combinations(platform: PlatformMeasurements): PcrValues[] {
  let all = [settleAlternatives(platform, { pcr: {} }).registers];
  for (const { register, values } of platform.alternatives ?? []) {
    if (all.length * values.length > MAX_COMBINATIONS) break;
    all = all.flatMap((registers) =>
      values.map((byBank) => {
        const entries = Object.entries(byBank) as [HashAlgorithm, string][];
        return withValues(
          registers,
          entries.map(([bank, value]) => ({ register, bank, value })),
        );
      }),
    );
  }
  return all.map(({ pcr }) => pcr);
}

/** What the log leads to, after all that userspace was predicted to extend, then after ever less of it. */
function logCandidates(opened: OpenLog, { events }: PlatformMeasurements): PcrValues[] {
  const byLog = merge(startsOf(opened), replayed(opened).pcr);
  const userspace = events.filter((event) => !isLogged(event) && event.register.startsWith("pcr"));
  const steps = [byLog];
  for (const event of userspace) steps.push(extendAll(steps.at(-1) ?? {}, event));
  return steps.toReversed();
}

function extendAll(values: PcrValues, { register, digests }: PublishedEvent): PcrValues {
  const pcr = Number(register.slice("pcr".length));
  const banks = HASH_ALGORITHMS.flatMap((bank) => {
    const [value, digest] = [values[bank]?.[pcr], digests[bank]];
    return value === undefined || digest === undefined ? [] : [[bank, { [pcr]: extended(value, bank, [digest]) }]];
  });
  return merge(values, Object.fromEntries(banks) as PcrValues);
}

/** Registers that no event of a log extends hold what they start with. */
function startsOf({ log }: OpenLog): PcrValues {
  const DYNAMIC = { first: 17, last: 22, pcrs: 24 };
  return Object.fromEntries(
    log.algorithms.map((bank) => {
      const start = startOf(bank);
      const values = Array.from({ length: DYNAMIC.pcrs }, (_, pcr) =>
        pcr >= DYNAMIC.first && pcr <= DYNAMIC.last ? start.replaceAll("0", "f") : start,
      );
      return [bank, { ...values }];
    }),
  );
}

function merge(under: PcrValues, over: PcrValues): PcrValues {
  const banks = HASH_ALGORITHMS.filter((bank) => under[bank] ?? over[bank]);
  return Object.fromEntries(banks.map((bank) => [bank, { ...under[bank], ...over[bank] }]));
}
