import { CvmError } from "@cvm-build/bytes";

/** Characters of tokens and access keys; a header takes no other. */
const PLAIN = /^[\x20-\x7e]+$/;

/**
 * Lets through what can be a token or an access key. What cannot, such as several lines of output, would be refused later
 * by an error that has it in its text.
 * @param service what errors call the service
 * @throws CvmError `signer`
 */
export function plainCredential(text: string, service: string): string {
  if (PLAIN.test(text)) return text;
  throw new CvmError("signer", `cannot sign with ${service}: expected credentials of one line, got something else`);
}
