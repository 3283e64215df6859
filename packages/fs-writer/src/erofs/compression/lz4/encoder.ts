import type { ClusterEncoder } from "../cluster-encoder.ts";
import type { WasmFunction } from "../wasm/module.ts";
import { instantiate } from "../wasm/instantiate.ts";
import { CHAIN_LINKS_BYTES, CHAIN_TABLE_BYTES, chainFunction } from "./chain-program.ts";
import { FAST_TABLE_BYTES, fastFunction } from "./fast-program.ts";

/** Encoders copy in wide steps and look ahead, so that they may touch what lies behind input and output. */
const SLACK_BYTES = 64;

/** How many earlier positions are tried at a level of LZ4HC, by power of two. */
const ATTEMPTS_BITS = [0, 1, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 11] as const;
/** How far ahead a longer match is looked for. */
const LOOKAHEAD = 2;

type Encode = (input: number, inputEnd: number, out: number, outEnd: number, ...options: number[]) => [number, number];

/** The largest input and block, and the level of LZ4HC where it is to be that. */
export interface Lz4EncoderOptions {
  inputBytes: number;
  clusterBytes: number;
  highLevel?: number;
}

/** A function that encodes, and the tables that it has in memory before output and input. */
interface Method {
  program: WasmFunction;
  tableBytes: number;
  furtherBytes: number;
  options: readonly number[];
  /** What every 16 bits of the table are before an input that begins at that address. */
  emptyEntry(input: number): number;
}

/** An encoder of LZ4 blocks, in WebAssembly: it takes half the time of the same algorithm on typed arrays. */
export function createLz4Encoder({ inputBytes, clusterBytes, highLevel }: Lz4EncoderOptions): ClusterEncoder {
  const { program, tableBytes, furtherBytes, options, emptyEntry } =
    highLevel === undefined ? fastMethod() : chainMethod(highLevel);
  const outStart = tableBytes + furtherBytes;
  const inputStart = outStart + clusterBytes + SLACK_BYTES;
  const { memory, exports } = instantiate([program], { memoryBytes: inputStart + inputBytes + SLACK_BYTES });
  const encode = exports[program.name] as Encode;
  const table = new Uint16Array(memory, 0, tableBytes / Uint16Array.BYTES_PER_ELEMENT);
  return {
    input: Buffer.from(memory, inputStart, inputBytes),
    begin() {},
    encode({ startBytes, endBytes, maxBytes }) {
      const start = inputStart + startBytes;
      table.fill(emptyEntry(start));
      const [consumed, size] = encode(start, inputStart + endBytes, outStart, outStart + maxBytes, ...options);
      return { consumedBytes: consumed, bytes: new Uint8Array(memory, outStart, size) };
    },
  };
}

function fastMethod(): Method {
  return {
    program: fastFunction(),
    tableBytes: FAST_TABLE_BYTES,
    furtherBytes: 0,
    options: [],
    emptyEntry: (input) => input & 0xffff,
  };
}

function chainMethod(level: number): Method {
  return {
    program: chainFunction(),
    tableBytes: CHAIN_TABLE_BYTES,
    furtherBytes: CHAIN_LINKS_BYTES,
    options: [1 << (ATTEMPTS_BITS[level] ?? 0), LOOKAHEAD],
    emptyEntry: () => 0,
  };
}
