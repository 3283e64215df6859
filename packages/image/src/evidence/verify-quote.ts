import { CvmError, type HashAlgorithm } from "@cvm-build/bytes";
import {
  type Evidence,
  type EvidenceCheck,
  type EvidenceKind,
  readEvidence,
  readPcrValues,
  type RegisterName,
  withPcrValues,
} from "@cvm-build/measure";
import type { Measurements, PlatformMeasurements } from "../measurements.ts";
import type { Surroundings } from "../surroundings.ts";
import { compareLog } from "./compare-log.ts";
import { phaseOf, type VerifiedRegister } from "./event-difference.ts";
import { readInput } from "./input.ts";
import { agreeWithLog, type LogAgreement } from "./log-agreement.ts";
import { type LogChoice, openLog, type OpenLog } from "./log.ts";
import { settleAlternatives } from "./prediction-of-log.ts";
import { closestMachine, type PublishedChoice, readPublished } from "./published.ts";
import { resolveQuotes, type UnresolvedQuote } from "./quoted-digest.ts";
import { type BankValue, bankValues, valueOf } from "../register-values.ts";

/** What a machine sent, and the prediction to hold it against. */
export interface VerifyQuoteRequest {
  /** Path of a quote, a report or an attestation. */
  evidence: string;
  published: PublishedChoice;
  /** A file of the PCR values that a TPM's quote is of. */
  pcrs?: string;
  /** The machine's event log; one that comes with the evidence is read without. */
  log?: LogChoice;
}

/** A register by the evidence, beside what was published for it. */
export interface RegisterVerdict {
  register: RegisterName;
  bank: HashAlgorithm;
  found: string;
  published?: string;
  verdict: "equal" | "differs" | "unpublished";
  /** Why nothing was published. */
  reason?: string;
  /** The phases after which PCR 11 would have the value that was found. */
  reachedPhase?: string;
}

/** What evidence and prediction say of the same registers, and what nobody checked. */
export interface QuoteVerification {
  evidence: string;
  kind: EvidenceKind;
  title: string;
  image: Measurements["image"];
  platform: string;
  /** Whether all that could be compared is equal, all that the evidence says twice agrees, and the log leads to it. */
  agrees: boolean;
  registers: RegisterVerdict[];
  /** Quotes over PCRs that are not those that were published, of which it is not known which differ. */
  unresolved: string[];
  /** Registers that were published, and that evidence of this kind should have and has not: anything may be in them. */
  missing: RegisterName[];
  /** Registers that were published, and of which evidence of this kind says nothing. */
  notCovered: RegisterName[];
  checks: EvidenceCheck[];
  warnings: string[];
  log?: { agreement: LogAgreement; registers: VerifiedRegister[] };
  /** What it would take to believe the evidence. */
  unchecked: string[];
  /** All else that the evidence says. */
  fields: Record<string, string>;
}

/**
 * Holds the registers that evidence states against what was published for an image. It does not say who made the evidence:
 * signatures, certificates and freshness are not checked.
 * @throws CvmError `no-evidence` where there is nothing to compare
 */
export function verifyQuote(request: VerifyQuoteRequest, surroundings: Surroundings): QuoteVerification {
  const said = readQuote(request, surroundings);
  const published = readPublished(request.published, (each) => isComparable(each, said), surroundings);
  const opened = request.log ? openLog(request.log, surroundings) : said.log;
  return closestMachine(published, (platform) => {
    const report = verifyOn(platform, { said, opened, path: request.evidence, image: published.image });
    return { report, equalRegisters: report.registers.filter(({ verdict }) => verdict === "equal").length };
  });
}

/** Holds evidence against one platform. */
function verifyOn(
  platform: PlatformMeasurements,
  options: { said: Evidence; opened: OpenLog | undefined; path: string; image: Measurements["image"] },
): QuoteVerification {
  const { said, opened, path, image } = options;
  const { evidence, unresolved } = resolveQuotes(said, { platform, opened });
  const settled = settleAlternatives(platform, evidence.registers);
  const registers = bankValues(evidence.registers).map((found) => verdictOf(found, settled));
  refuseNothing(path, { registers, unresolved });
  const log = opened && logReport(agreeWithLog(opened, evidence.registers, platform), { settled, evidence });
  const { kind, title, checks, warnings, unchecked, fields } = evidence;
  const coverage = coverageOf(settled, evidence);
  return {
    ...{ evidence: path, kind, title, image, platform: platform.name },
    agrees:
      unresolved.length === 0 &&
      coverage.missing.length === 0 &&
      registers.every(({ verdict }) => verdict !== "differs") &&
      checks.every(({ holds }) => holds) &&
      log?.agreement.agrees !== false,
    registers,
    unresolved: unresolved.map(({ selection }) => selection),
    ...coverage,
    ...{ checks, warnings, unchecked, fields },
    ...(log && { log }),
  };
}

function readQuote({ evidence: path, pcrs }: VerifyQuoteRequest, surroundings: Surroundings): Evidence {
  const evidence = readEvidence(readInput(path, "evidence", surroundings));
  if (pcrs === undefined) return evidence;
  const selections = evidence.pcrQuotes.flatMap((quote) => quote.selections);
  return withPcrValues(evidence, readPcrValues(readInput(pcrs, "PCR values", surroundings), selections));
}

/** Whether a platform has a value of a register that the evidence has, or quotes. */
function isComparable({ registers }: PlatformMeasurements, evidence: Evidence): boolean {
  const quoted = evidence.pcrQuotes.flatMap(({ selections }) => selections.map(({ bank }) => bank));
  return (
    bankValues(evidence.registers).some((each) => valueOf(registers, each) !== undefined) ||
    quoted.some((bank) => registers.pcr[bank] !== undefined)
  );
}

function verdictOf({ register, bank, value: found }: BankValue, platform: PlatformMeasurements): RegisterVerdict {
  const published = valueOf(platform.registers, { register, bank });
  if (published === undefined) {
    const reason = platform.unpredicted.find((each) => each.register === register)?.reason;
    return { register, bank, found, verdict: "unpublished", ...(reason !== undefined && { reason }) };
  }
  if (published === found) return { register, bank, found, published, verdict: "equal" };
  const reachedPhase = register === "pcr11" ? phaseOf(platform, { bank, value: found }) : undefined;
  return {
    ...{ register, bank, found, published, verdict: "differs" },
    ...(reachedPhase !== undefined && { reachedPhase }),
  };
}

/** @throws CvmError `no-evidence` */
function refuseNothing(
  evidence: string,
  { registers, unresolved }: { registers: readonly RegisterVerdict[]; unresolved: readonly UnresolvedQuote[] },
): void {
  const missing = unresolved.flatMap((quote) => quote.missing);
  if (missing.length > 0) {
    const expected = `values of ${missing.join(", ")}`;
    throw new CvmError("no-evidence", `cannot compare "${evidence}": expected ${expected}, got a digest over them`, {
      hint: "give the values with --pcrs FILE, or the machine's log with --log FILE",
    });
  }
  if (unresolved.length > 0 || registers.some(({ verdict }) => verdict !== "unpublished")) return;
  throw new CvmError("no-evidence", `cannot compare "${evidence}": expected registers that were published, got none`, {
    hint: "the platform that was measured has other registers than the machine that this is of",
  });
}

function logReport(
  { agreement, log }: { agreement: LogAgreement; log: OpenLog },
  { settled, evidence }: { settled: PlatformMeasurements; evidence: Evidence },
): NonNullable<QuoteVerification["log"]> {
  // Of registers that the evidence does not have, the log may say what it likes.
  const stated = new Set(bankValues(evidence.registers).map(({ register }) => register));
  const compared = compareLog(log, { platform: settled, found: evidence.registers });
  return { agreement, registers: compared.filter(({ register }) => stated.has(register)) };
}

/** What was published, and the evidence does not have. */
function coverageOf(
  { registers }: PlatformMeasurements,
  evidence: Evidence,
): Pick<QuoteVerification, "missing" | "notCovered"> {
  const selected = evidence.pcrQuotes.flatMap(({ selections }) =>
    selections.flatMap(({ pcrs }) => pcrs.map((pcr): RegisterName => `pcr${pcr}`)),
  );
  const covered = new Set([...selected, ...bankValues(evidence.registers).map(({ register }) => register)]);
  const kinds = new Set([...covered].map(kindOf));
  const open = [...new Set(bankValues(registers).map(({ register }) => register))].filter((each) => !covered.has(each));
  return {
    missing: open.filter((register) => kinds.has(kindOf(register))),
    notCovered: open.filter((register) => !kinds.has(kindOf(register))),
  };
}

/** Whose register it is: who has one of a kind has all. */
function kindOf(register: RegisterName): "tpm" | "td" | "guest" {
  if (register.startsWith("pcr")) return "tpm";
  return register === "launchDigest" ? "guest" : "td";
}
