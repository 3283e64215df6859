import { FormatError, type FormatErrorPlace } from "@cvm-build/bytes";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Text of an archive: names and link targets, which must be UTF-8.
 * @throws FormatError that shows the bytes, so that the entry can be found
 */
export function decodeArchiveText(bytes: Uint8Array, place: FormatErrorPlace): string {
  try {
    return utf8.decode(bytes);
  } catch {
    const shown = Buffer.from(bytes.subarray(0, 200)).toString("latin1");
    throw new FormatError(place, `expected UTF-8, got ${JSON.stringify(shown)} (shown as Latin-1)`);
  }
}
