import { pipeline, Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { type ByteSource, chunksOf, CvmError, FormatError } from "@cvm-build/bytes";
import { skipZeros, windowSource } from "../window-source.ts";
import { detectCompression, type CompressionFormat } from "./format.ts";
import { zstdFrameSizeBytes } from "./zstd-frame.ts";

/** What is decompressed, and how much of it there may be. */
export interface DecompressOptions {
  /** Found by the first bytes where it is not given; bytes of no known format are then taken as they are. */
  format?: CompressionFormat;
  /** How large the result may be. */
  maxSizeBytes: number;
}

/**
 * Decompresses in pieces, in memory that does not grow with the input: several streams, frames or members in a row too.
 * @throws FormatError where the input is damaged or ends early, and as soon as there is more than `maxSizeBytes`;
 * CvmError `compression` where the xz decoder is not installed
 * @see The .xz File Format 1.2.1; RFC 8878; RFC 1952
 */
export async function* decompress(source: ByteSource, options: DecompressOptions): AsyncGenerator<Buffer> {
  const format = options.format ?? detectCompression(source.read(0, Math.min(6, source.sizeBytes)));
  let sizeBytes = 0;
  for await (const chunk of DECODERS[format](source)) {
    sizeBytes += chunk.length;
    if (sizeBytes > options.maxSizeBytes) {
      throw new FormatError({ record: format }, `expected at most ${options.maxSizeBytes} decompressed bytes`);
    }
    yield chunk;
  }
}

/**
 * Decompresses into one buffer.
 * @throws FormatError as `decompress` does
 */
export async function decompressWhole(source: ByteSource, options: DecompressOptions): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of decompress(source, options)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const DECODERS: Record<CompressionFormat, (source: ByteSource) => Iterable<Buffer> | AsyncIterable<Buffer>> = {
  none: (source) => chunksOf(source),
  xz: decodeXz,
  zstd: decodeZstd,
  gzip: decodeGzip,
};

/** The stream form keeps a bounded amount in flight; the `XzDecompressor` class decodes ahead without a bound. */
async function* decodeXz(source: ByteSource): AsyncGenerator<Buffer> {
  const { decompressStream } = await loadXz();
  const input = new GuardedInput(source, "xz");
  yield* input.guard(decompressStream(ReadableStream.from<Uint8Array>(input.chunks())));
}

/** Its native part is a package of its own for each platform, which an installation can lack. */
async function loadXz(): Promise<typeof import("@napi-rs/lzma/xz")> {
  try {
    return await import("@napi-rs/lzma/xz");
  } catch (cause) {
    const platform = `${process.platform}-${process.arch}`;
    throw new CvmError(
      "compression",
      `cannot load the xz decoder: expected its native part for ${platform}, got none`,
      {
        hint: "install again with `npx --yes pnpm@12 install`, optional dependencies included",
        cause,
      },
    );
  }
}

async function* decodeZstd(source: ByteSource): AsyncGenerator<Buffer> {
  const window = windowSource(source);
  if (source.sizeBytes === 0)
    throw new FormatError({ record: "zstd", offsetBytes: 0 }, "expected a frame, got nothing");
  for (let offsetBytes = 0; offsetBytes < source.sizeBytes;) {
    const sizeBytes = zstdFrameSizeBytes(window, offsetBytes);
    yield* throughEngine(new GuardedInput(source, "zstd", { offsetBytes, sizeBytes }), createZstdDecompress());
    offsetBytes += sizeBytes;
  }
}

async function* decodeGzip(source: ByteSource): AsyncGenerator<Buffer> {
  const engine = createGunzip();
  yield* throughEngine(new GuardedInput(source, "gzip"), engine);
  if (skipZeros(source, engine.bytesWritten) === source.sizeBytes) return;
  throw new FormatError({ record: "gzip", offsetBytes: engine.bytesWritten }, "expected nothing after the last member");
}

async function* throughEngine(input: GuardedInput, engine: Transform): AsyncGenerator<Buffer> {
  pipeline(Readable.from(input.chunks()), engine, () => {});
  yield* input.guard(engine as AsyncIterable<Buffer>);
}

/** Keeps what goes wrong while reading apart from what goes wrong while decoding: only the latter is a format error. */
class GuardedInput {
  readonly #source: ByteSource;
  readonly #record: string;
  readonly #range: { offsetBytes: number; sizeBytes: number };
  #readError: { error: unknown } | undefined;

  constructor(source: ByteSource, record: string, range = { offsetBytes: 0, sizeBytes: source.sizeBytes }) {
    this.#source = source;
    this.#record = record;
    this.#range = range;
  }

  *chunks(): Generator<Buffer> {
    try {
      yield* chunksOf(this.#source, this.#range);
    } catch (error) {
      this.#readError = { error };
      throw error;
    }
  }

  async *guard(decoded: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    try {
      yield* decoded;
    } catch (cause) {
      if (this.#readError) throw this.#readError.error;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new FormatError({ record: this.#record, offsetBytes: this.#range.offsetBytes }, reason, { cause });
    }
  }
}
