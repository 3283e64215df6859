import type { VersionOperator } from "./relation.ts";

const TILDE = 0x7e;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/**
 * Orders two Debian versions as dpkg does.
 * @param a `[epoch:]upstream[-revision]`
 * @returns a negative number, zero or a positive number
 * @see Debian Policy 5.6.12; deb-version(7)
 */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0;
  const left = splitVersion(a);
  const right = splitVersion(b);
  return (
    left.epoch - right.epoch ||
    compareParts(left.upstream, right.upstream) ||
    compareParts(left.revision, right.revision)
  );
}

/** What a relation asks of a version: `operator` and `version` are both absent or both there. */
export interface VersionConstraint {
  operator?: VersionOperator;
  version?: string;
}

/**
 * Says whether `version` meets a constraint. An unversioned `Provides` (undefined) meets only relations that name no version.
 * @see Debian Policy 7.1 and 7.5
 */
export function satisfiesVersion(
  version: string | undefined,
  { operator, version: bound }: VersionConstraint,
): boolean {
  if (operator === undefined || bound === undefined) return true;
  if (version === undefined) return false;
  const order = compareVersions(version, bound);
  return OPERATORS[operator](order);
}

const OPERATORS = {
  "<<": (order) => order < 0,
  "<=": (order) => order <= 0,
  "=": (order) => order === 0,
  ">=": (order) => order >= 0,
  ">>": (order) => order > 0,
} as const satisfies Record<VersionOperator, (order: number) => boolean>;

function splitVersion(text: string): { epoch: number; upstream: string; revision: string } {
  const colon = text.indexOf(":");
  const dash = text.lastIndexOf("-");
  const start = colon + 1;
  const end = dash < start ? text.length : dash;
  return {
    epoch: /^\d+$/.test(text.slice(0, Math.max(colon, 0))) ? Number(text.slice(0, colon)) : 0,
    upstream: text.slice(start, end),
    revision: dash < start ? "" : text.slice(dash + 1),
  };
}

/** Alternates between runs without digits, compared by `weight`, and runs of digits, compared as numbers. */
function compareParts(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a, i)) || (j < b.length && !isDigit(b, j))) {
      const order = weight(a, i) - weight(b, j);
      if (order !== 0) return order;
      i++;
      j++;
    }
    const endOfA = endOfDigits(a, i);
    const endOfB = endOfDigits(b, j);
    const order = compareDigits(a.slice(i, endOfA), b.slice(j, endOfB));
    if (order !== 0) return order;
    i = endOfA;
    j = endOfB;
  }
  return 0;
}

/** `~` sorts before the end of the text, which sorts before letters, which sort before all else. */
function weight(text: string, at: number): number {
  if (at >= text.length || isDigit(text, at)) return 0;
  const code = text.charCodeAt(at);
  if (code === TILDE) return -1;
  return isLetter(code) ? code : code + 0x100;
}

/** Compares decimal numbers of any length, which may have leading zeros. */
function compareDigits(a: string, b: string): number {
  const left = a.replace(/^0+/, "");
  const right = b.replace(/^0+/, "");
  if (left.length !== right.length) return left.length - right.length;
  return left < right ? -1 : left > right ? 1 : 0;
}

function endOfDigits(text: string, from: number): number {
  let at = from;
  while (at < text.length && isDigit(text, at)) at++;
  return at;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= DIGIT_0 && code <= DIGIT_9;
}

function isLetter(code: number): boolean {
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}
