import { FormatError } from "@cvm-build/bytes";

/**
 * Decodes base64 that is written as RFC 4648 has it, padding included: other spellings of the same bytes are refused.
 * @param record what errors call it
 * @throws FormatError
 */
export function decodeBase64(text: string, record: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") === text) return bytes;
  throw new FormatError({ record }, "expected base64 with padding and nothing else");
}
