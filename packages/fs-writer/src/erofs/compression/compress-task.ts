import { FormatError, type FileSource, openFileSource, type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import { ContentReader } from "../../content.ts";
import type { Content } from "../../tree.ts";
import { EROFS_BLOCK_BYTES } from "../format.ts";
import type { ClusterEncoder } from "./cluster-encoder.ts";
import { type CompressedExtent, clusterMapSizeBytes } from "./cluster-map.ts";
import { createLz4Encoder } from "./lz4/encoder.ts";
import { packRange } from "./pack-range.ts";
import type { ErofsCompressionSettings } from "./settings.ts";
import { createZstdEncoder } from "./zstd-encoder.ts";

/** The most that a task compresses: larger contents are cut into ranges of this size, each on its own. */
export const RANGE_BYTES = 4 << 20;

/** A content or a range of one. */
export interface CompressItem {
  content: Content;
  offsetBytes: number;
  sizeBytes: number;
}

/** What a thread compresses at a time: no more than `RANGE_BYTES`, each item rounded up to blocks. */
export interface CompressTask {
  settings: ErofsCompressionSettings;
  items: CompressItem[];
  /** Memory of `RANGE_BYTES` for the result: fresh memory would cost more than what is put into it. */
  output: ArrayBuffer;
}

/** What a thread is asked: to compress, or to compare a content with its digest. */
export type CompressRequest = CompressTask | { verify: Content };

/** What became of an item. */
export interface CompressedItem {
  /** Whether `data` are the blocks of `extents`, or the bytes as they are. */
  kind: "clusters" | "stored";
  /** Where in the result its data lies. */
  dataOffsetBytes: number;
  dataSizeBytes: number;
  extents: CompressedExtent[];
}

/** What became of a task. */
export interface CompressTaskResult {
  /** The memory that came with the task, if any. */
  data: ArrayBuffer;
  items: CompressedItem[];
}

/** An inode without attributes: for what the map of a file takes. */
const INODE_SIZE_BYTES = 64;

/** Compresses the items of a task. Contents that are whole are compared with their digests. */
export class TaskCompressor {
  #encoder: ClusterEncoder | undefined;
  #settingsKey = "";
  #open: FileSource | undefined;

  /** @throws FormatError where a place no longer holds the bytes of its content */
  answer(request: CompressRequest): CompressTaskResult {
    if ("items" in request) {
      try {
        return this.#compress(request);
      } finally {
        this.#close();
      }
    }
    using reader = new ContentReader();
    for (const _ of reader.chunks(request.verify));
    return { data: new ArrayBuffer(0), items: [] };
  }

  #compress({ settings, items, output: data }: CompressTask): CompressTaskResult {
    const encoder = this.#encoderFor(settings);
    const output = Buffer.from(data);
    let inputBytes = 0;
    let outputBytes = 0;
    const done = items.map((item) => {
      const { startBytes, endBytes } = this.#read(item, encoder.input, inputBytes);
      inputBytes = endBytes;
      encoder.begin();
      const extents = packRange(encoder, {
        startBytes,
        endBytes,
        logicalOffsetBytes: item.offsetBytes,
        clusterBytes: settings.clusterBytes,
        output: output.subarray(outputBytes),
      });
      const blocks = extents.reduce((sum, { physicalBlocks }) => sum + physicalBlocks, 0);
      const sizes = { sizeBytes: item.sizeBytes, inodeSizeBytes: INODE_SIZE_BYTES };
      const isSmaller = blocks * EROFS_BLOCK_BYTES + clusterMapSizeBytes(sizes) < item.sizeBytes;
      const kind = isSmaller || item.sizeBytes < item.content.sizeBytes ? "clusters" : "stored";
      const dataOffsetBytes = outputBytes;
      const dataSizeBytes = kind === "clusters" ? blocks * EROFS_BLOCK_BYTES : item.sizeBytes;
      if (kind === "stored") encoder.input.copy(output, outputBytes, startBytes, endBytes);
      outputBytes += dataSizeBytes;
      return { kind, dataOffsetBytes, dataSizeBytes, extents: kind === "clusters" ? extents : [] } as const;
    });
    return { data, items: done };
  }

  #encoderFor(settings: ErofsCompressionSettings): ClusterEncoder {
    const key = JSON.stringify(settings);
    if (!this.#encoder || this.#settingsKey !== key) {
      this.#encoder = createEncoder(settings);
      this.#settingsKey = key;
    }
    return this.#encoder;
  }

  #read({ content, offsetBytes, sizeBytes }: CompressItem, input: Buffer, startBytes: number) {
    const target = input.subarray(startBytes, startBytes + sizeBytes);
    if ("bytes" in content) target.set(content.bytes.subarray(offsetBytes, offsetBytes + sizeBytes));
    else this.#sourceAt(content.file.path).readInto?.(target, content.file.offsetBytes + offsetBytes);
    if (sizeBytes === content.sizeBytes) checkDigest(content, sha256Hex(target));
    return { startBytes, endBytes: startBytes + sizeBytes };
  }

  #sourceAt(path: string): FileSource {
    if (this.#open?.path === path) return this.#open;
    this.#close();
    this.#open = openFileSource(path);
    return this.#open;
  }

  #close(): void {
    this.#open?.[Symbol.dispose]();
    this.#open = undefined;
  }
}

function checkDigest(content: Content, sha256: Sha256Hex): void {
  if (sha256 === content.sha256) return;
  const [record, offsetBytes] = "file" in content ? [content.file.path, content.file.offsetBytes] : ["content", 0];
  throw new FormatError({ record, offsetBytes }, `expected content with SHA-256 ${content.sha256}`);
}

function createEncoder({ algorithm, level, clusterBytes }: ErofsCompressionSettings): ClusterEncoder {
  const sizes = { inputBytes: RANGE_BYTES, clusterBytes };
  if (algorithm === "zstd") return createZstdEncoder({ ...sizes, level });
  return createLz4Encoder(algorithm === "lz4" ? sizes : { ...sizes, highLevel: level });
}
