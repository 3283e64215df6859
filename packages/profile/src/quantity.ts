import { ValueFault } from "./value-fault.ts";
import { quoteText } from "./error.ts";

const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, min: 60, h: 3600, d: 86_400 };
const BYTES: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
const LONGEST_SEC = 10 * 365 * SECONDS["d"]!;

/** What a duration looks like: `5s`, `2min`, `1.5h`. */
export const DURATION = /^([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|min|m|h|d)$/;
/** What a size looks like: `512M`, `2G`; units are powers of 1024. */
export const SIZE = /^([0-9]{1,15})([KMGT]?)$/;
/** What a share of processors looks like: `200%` is two of them. */
export const PERCENTAGE = /^([0-9]{1,6})%$/;

/** Reads a duration. @returns seconds @throws ValueFault */
export function parseDuration(value: number | string): number {
  const [, digits, unit] = typeof value === "string" ? (DURATION.exec(value) ?? []) : ["", String(value), "s"];
  const seconds = Number(digits) * SECONDS[unit ?? ""]!;
  if (seconds >= 0 && seconds <= LONGEST_SEC) return Math.round(seconds * 1000) / 1000;
  throw new ValueFault("a duration such as 5s or 2min, ten years at most", quoteText(String(value)));
}

/** Reads a size. @returns bytes @throws ValueFault */
export function parseSize(value: number | string): number {
  const [, digits, unit] = SIZE.exec(String(value)) ?? [];
  const bytes = Number(digits) * BYTES[unit ?? ""]!;
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new ValueFault("a size such as 512M or 2G", quoteText(String(value)));
}

/** Reads a percentage. @returns percent of one processor @throws ValueFault */
export function parsePercentage(value: string): number {
  const percent = Number(PERCENTAGE.exec(value)?.[1]);
  if (percent > 0) return percent;
  throw new ValueFault("a percentage such as 200%", quoteText(value));
}
