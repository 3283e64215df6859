import type { ByteSource } from "@cvm-build/bytes";

const WINDOW_BYTES = 1 << 16;

/** The same source, with small reads answered from one window: walking headers costs few system calls that way. */
export function windowSource(source: ByteSource): ByteSource {
  let window: Buffer = Buffer.alloc(0);
  let startBytes = 0;
  return {
    sizeBytes: source.sizeBytes,
    read(offsetBytes, lengthBytes) {
      const isInside = offsetBytes >= startBytes && offsetBytes + lengthBytes <= startBytes + window.length;
      const isSmall =
        lengthBytes >= 0 && lengthBytes <= WINDOW_BYTES / 4 && offsetBytes + lengthBytes <= source.sizeBytes;
      if (!isInside && isSmall) {
        window = source.read(offsetBytes, Math.min(WINDOW_BYTES, source.sizeBytes - offsetBytes));
        startBytes = offsetBytes;
      } else if (!isInside) {
        return source.read(offsetBytes, lengthBytes);
      }
      return window.subarray(offsetBytes - startBytes, offsetBytes - startBytes + lengthBytes);
    },
  };
}

const STEP_BYTES = 1 << 12;

/** Offset of the first byte that is not zero, from `offsetBytes` on; the source's size where there is none. */
export function skipZeros(source: ByteSource, offsetBytes: number): number {
  for (let at = offsetBytes; at < source.sizeBytes; at += STEP_BYTES) {
    const bytes = source.read(at, Math.min(STEP_BYTES, source.sizeBytes - at));
    const found = bytes.findIndex((byte) => byte !== 0);
    if (found >= 0) return at + found;
  }
  return source.sizeBytes;
}
