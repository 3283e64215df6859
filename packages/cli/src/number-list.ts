import { CvmError } from "@cvm-build/bytes";

const UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
/** More than any matrix has. */
const MAX_NUMBERS = 1 << 14;

/**
 * Whole numbers of a flag: each a number, or a range such as `8-16`.
 * @throws CvmError `usage`
 */
export function numbersOf(flag: string, words: readonly string[]): number[] {
  const numbers = words.flatMap((word) => {
    const [, first, last = first] = /^([1-9]\d{0,6})(?:-([1-9]\d{0,6}))?$/.exec(word) ?? [];
    if (first === undefined || Number(last) < Number(first)) throw unreadable(flag, "numbers such as 1,2,8-16", word);
    const count = Math.min(Number(last) - Number(first) + 1, MAX_NUMBERS + 1);
    return Array.from({ length: count }, (_, index) => Number(first) + index);
  });
  if (numbers.length > MAX_NUMBERS) throw unreadable(flag, `at most ${MAX_NUMBERS} numbers`, String(numbers.length));
  return numbers;
}

/**
 * Sizes of a flag, in bytes: `512M`, `2G`.
 * @throws CvmError `usage`
 */
export function sizesOf(flag: string, words: readonly string[]): number[] {
  return words.map((word) => {
    const [, digits, unit = ""] = /^([1-9]\d{0,6})([KMGT])$/.exec(word) ?? [];
    if (digits === undefined) throw unreadable(flag, "sizes such as 512M,2G", word);
    return Number(digits) * (UNITS[unit] ?? 1);
  });
}

function unreadable(flag: string, expected: string, got: string): CvmError {
  return new CvmError("usage", `cannot read flag "--${flag}": expected ${expected}, got ${JSON.stringify(got)}`);
}
