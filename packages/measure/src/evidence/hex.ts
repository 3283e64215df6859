/** The bytes that hex stands for, with or without `0x` before it, or undefined where the text is none. */
export function bytesOfHex(text: string): Buffer | undefined {
  const digits = /^(?:0x)?([\da-fA-F]*)$/.exec(text)?.[1];
  return digits === undefined || digits.length % 2 !== 0 ? undefined : Buffer.from(digits, "hex");
}
