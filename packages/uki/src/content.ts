import { type ByteSource, FormatError, sliceSource } from "@cvm-build/bytes";
import type { PeSection } from "./pe/reader.ts";

/** Zeros that a section may add to its bytes in the file. UKIs are made without any; firmware allows 4 GiB. */
const MAX_ZERO_FILL_BYTES = 1 << 24;

/**
 * The bytes of a section as they are in memory: `virtualSizeBytes` from its place in the file, zeros beyond its raw data.
 * @throws FormatError where the section claims more zeros than any UKI needs
 * @see UAPI Unified Kernel Image, "PE Addons"
 */
export function sectionContent(source: ByteSource, section: PeSection): ByteSource {
  const storedBytes = Math.min(section.virtualSizeBytes, section.sizeOfRawData);
  const zeroBytes = section.virtualSizeBytes - storedBytes;
  if (zeroBytes > MAX_ZERO_FILL_BYTES) {
    throw new FormatError(
      { record: "SectionHeader", field: "virtualSizeBytes", offsetBytes: section.headerOffset },
      `expected section ${JSON.stringify(section.name)} to add at most ${MAX_ZERO_FILL_BYTES} zero bytes, got ${zeroBytes}`,
    );
  }
  const stored = sliceSource(source, storedBytes === 0 ? 0 : section.pointerToRawData, storedBytes);
  return zeroBytes === 0 ? stored : joinSources([stored, zerosSource(zeroBytes)]);
}

/** Zeros that take no memory until they are read. */
function zerosSource(sizeBytes: number): ByteSource {
  return { sizeBytes, read: (_offsetBytes, lengthBytes) => Buffer.alloc(lengthBytes) };
}

/** Several sources one after the other as one. */
export function joinSources(parts: readonly ByteSource[]): ByteSource {
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  const whole: ByteSource = {
    sizeBytes,
    read(offsetBytes, lengthBytes) {
      if (offsetBytes < 0 || offsetBytes + lengthBytes > sizeBytes) {
        throw new FormatError({ record: "bytes", offsetBytes }, `expected ${lengthBytes} bytes of ${sizeBytes}`);
      }
      const pieces: Buffer[] = [];
      let start = 0;
      for (const part of parts) {
        const from = Math.max(offsetBytes, start);
        const to = Math.min(offsetBytes + lengthBytes, start + part.sizeBytes);
        if (from < to) pieces.push(part.read(from - start, to - from));
        start += part.sizeBytes;
      }
      return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
    },
  };
  return whole;
}
