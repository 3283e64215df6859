import { type ByteSource, FormatError } from "@cvm-build/bytes";

/** What the stub itself packs into an archive is held in memory, so it is bounded. */
const MAX_BYTES = 1 << 28;

/**
 * All of a source that is small by nature: a section of text, a credential, an extension.
 * @throws FormatError where it is not small
 */
export function readWhole(source: ByteSource): Buffer {
  if (source.sizeBytes > MAX_BYTES) {
    throw new FormatError({ record: "content" }, `expected at most ${MAX_BYTES} bytes, got ${source.sizeBytes}`);
  }
  return source.read(0, source.sizeBytes);
}
