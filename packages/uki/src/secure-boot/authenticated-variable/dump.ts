import { dumpSignatureLists } from "../signature-list/dump.ts";
import { readSignatureLists } from "../signature-list/reader.ts";
import type { AuthenticatedVariable } from "./reader.ts";

/**
 * An authenticated variable as text: time, size of the signature, and one line a signature that it brings.
 * @throws FormatError where it brings something else than signature lists
 */
export function dumpAuthenticatedVariable({ timestamp, signature, data }: AuthenticatedVariable): string {
  return [
    `timestamp = ${timestamp?.toISOString() ?? "none"}\n`,
    `signature = ${signature.length} bytes\n`,
    dumpSignatureLists(readSignatureLists(data)),
  ].join("");
}
