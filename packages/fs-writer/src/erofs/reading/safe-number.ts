import { FormatError, type FormatErrorPlace } from "@cvm-build/bytes";

/**
 * A 64-bit number of an image as a number.
 * @throws FormatError where it is so large that it would lose digits
 */
export function safeNumber(value: bigint, place: FormatErrorPlace): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new FormatError(place, `expected a number below 2^53, got ${value}`);
}
