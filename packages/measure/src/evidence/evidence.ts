import { type HashAlgorithm, HASH_ALGORITHMS } from "@cvm-build/bytes";
import type { EventLog } from "../eventlog/reader.ts";
import type { PcrValues, RegisterValues } from "../registers.ts";

/** Kinds of evidence that are read. */
export type EvidenceKind =
  | "tdx-quote"
  | "td-report"
  | "snp-report"
  | "tpm-quote"
  | "azure-hcl-report"
  | "gce-attestation"
  | "nitro-document"
  | "dstack-attestation";

/** PCRs of one bank. */
export interface PcrSelection {
  bank: HashAlgorithm;
  pcrs: number[];
}

/** A digest over PCRs, as a TPM quotes it. */
export interface PcrQuote {
  /** In the order in which the values are hashed. */
  selections: PcrSelection[];
  /** Lower-case hex. */
  pcrDigest: string;
}

/** Something that the evidence says twice, and whether both agree. */
export interface EvidenceCheck {
  /** `the PCR values hash to the quoted digest`. */
  what: string;
  holds: boolean;
}

/**
 * What a piece of evidence says of a machine, as far as registers can be compared with it. Who says it is not asked:
 * signatures, certificates and freshness are a verifier's business.
 */
export interface Evidence {
  kind: EvidenceKind;
  /** `TDX quote, version 4, TDX 1.0`. */
  title: string;
  /** Values of registers; those that the evidence does not have are absent. */
  registers: RegisterValues;
  /** Digests over PCRs, as TPMs quote them. Their values are in `registers` where they come with the quote. */
  pcrQuotes: PcrQuote[];
  /** All else that is said, by the field's name. */
  fields: Record<string, string>;
  checks: EvidenceCheck[];
  /** What is wrong with a machine that says such: debugging is allowed. */
  warnings: string[];
  /** The event log that comes with it. */
  log?: { kind: "tpm" | "ccel"; log: EventLog };
  /** What it would take to believe it; none of it was done. */
  unchecked: string[];
}

/** Evidence of a kind that says nothing yet. */
export function emptyEvidence(kind: EvidenceKind, title: string): Evidence {
  return { kind, title, registers: { pcr: {} }, pcrQuotes: [], fields: {}, checks: [], warnings: [], unchecked: [] };
}

/** Evidence that holds other evidence: what both say. */
export function joinEvidence(outer: Evidence, inner: Evidence): Evidence {
  return {
    ...outer,
    registers: { ...inner.registers, ...outer.registers, pcr: joinPcrs(outer.registers.pcr, inner.registers.pcr) },
    pcrQuotes: [...outer.pcrQuotes, ...inner.pcrQuotes],
    fields: { ...outer.fields, ...inner.fields },
    checks: [...outer.checks, ...inner.checks, ...contradictions(outer.registers.pcr, inner.registers.pcr)],
    warnings: [...outer.warnings, ...inner.warnings],
    unchecked: [...outer.unchecked, ...inner.unchecked],
  };
}

function joinPcrs(a: PcrValues, b: PcrValues): PcrValues {
  const banks = HASH_ALGORITHMS.filter((bank) => a[bank] ?? b[bank]);
  return Object.fromEntries(banks.map((bank) => [bank, { ...b[bank], ...a[bank] }]));
}

/** PCRs that have one value here and another there. */
function contradictions(a: PcrValues, b: PcrValues): EvidenceCheck[] {
  return HASH_ALGORITHMS.flatMap((bank) =>
    Object.entries(a[bank] ?? {})
      .filter(([pcr, value]) => (b[bank]?.[Number(pcr)] ?? value) !== value)
      .map(([pcr]) => ({ what: `all quotes have the same value of PCR ${pcr} ${bank}`, holds: false })),
  );
}

/** Fields of a record as text: bytes as hex, numbers as `0x…`. Reserved ones are left out. */
export function fieldsOf(values: Readonly<Record<string, Buffer | number | bigint | string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values)
      .filter(([name]) => !name.startsWith("reserved"))
      .map(([name, value]) => [name, textOf(value)]),
  );
}

function textOf(value: Buffer | number | bigint | string): string {
  if (typeof value === "string") return value;
  return Buffer.isBuffer(value) ? value.toString("hex") : `0x${value.toString(16)}`;
}
