import { CvmError, FormatError, record, u32le, u64le, u8 } from "@cvm-build/bytes";

/**
 * Head of an LZMA stream ("LZMA alone").
 * @see LZMA SDK, `lzma-specification.txt`, "LZMA file format layout"
 */
const LzmaHeader = record("LZMA", 13, {
  properties: [0x00, u8],
  dictionaryBytes: [0x01, u32le],
  /** All ones where the stream has a marker at its end; firmware does not read such. */
  unpackedBytes: [0x05, u64le],
});

/** Firmware's tools use 8 or 16 MiB. */
const MAX_DICTIONARY_BYTES = 1 << 26;

/**
 * Decodes an LZMA stream.
 * @param options.maxBytes what it may unpack to, at most
 * @throws FormatError
 * @throws CvmError `lzma` where the decoder is not installed
 */
export async function decodeLzma(stream: Buffer, options: { maxBytes: number }): Promise<Buffer> {
  const header = LzmaHeader.decode(stream);
  expectAtMost("dictionaryBytes", BigInt(header.dictionaryBytes), MAX_DICTIONARY_BYTES);
  expectAtMost("unpackedBytes", header.unpackedBytes, options.maxBytes);
  const { decompress } = await loadDecoder();
  let unpacked: Buffer;
  try {
    unpacked = await decompress(stream);
  } catch (cause) {
    throw new FormatError({ record: "LZMA" }, cause instanceof Error ? cause.message : String(cause), { cause });
  }
  if (BigInt(unpacked.length) === header.unpackedBytes) return unpacked;
  throw new FormatError({ record: "LZMA" }, `expected ${header.unpackedBytes} bytes, got ${unpacked.length}`);
}

function expectAtMost(field: string, value: bigint, most: number): void {
  if (value <= BigInt(most)) return;
  throw new FormatError({ record: LzmaHeader.recordName, field }, `expected at most ${most}, got ${value}`);
}

/** Its native part is a package of its own for each platform, which an installation can lack. */
async function loadDecoder(): Promise<typeof import("@napi-rs/lzma/lzma")> {
  try {
    return await import("@napi-rs/lzma/lzma");
  } catch (cause) {
    throw new CvmError("lzma", "cannot load the LZMA decoder: expected its native part for this platform, got none", {
      hint: "install again with `npx --yes pnpm@12 install`, optional dependencies included",
      cause,
    });
  }
}
