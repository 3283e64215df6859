import { assert } from "@cvm-build/bytes";
import { PATH_MAX_BYTES } from "../../archive-path.ts";
import { contentOf } from "../../content.ts";
import type { ErofsCompression } from "../compression/settings.ts";
import { encodeClusterMap } from "../compression/cluster-map.ts";
import {
  EROFS_BLOCK_BITS,
  EROFS_BLOCK_BYTES,
  EROFS_BLOCK_MAP_ENTRY_BYTES,
  EROFS_LAYOUT,
  EROFS_NULL_BLOCK,
  EROFS_SLOT_BYTES,
} from "../format.ts";
import { type ContentTable, type StoredContent, tailBeside } from "./contents.ts";
import { directorySizeBytes } from "./directory.ts";
import { deviceNumber, mapOffsetBytes } from "./inode.ts";
import { inodeSizeBytes, type PlannedNode } from "./nodes.ts";
import { HOLE_DIGEST, type Piece, wholeContent } from "./piece.ts";
import { refusal } from "./refusal.ts";
import { SlotAllocator } from "./slots.ts";
import type { Content } from "../../tree.ts";

/** From how much data or metadata on a part is complete. */
const PART_DATA_BYTES = 4 << 20;
const PART_METADATA_BLOCKS = 128;

/** A part of an image that is written in one go: blocks of metadata, and what of contents belongs to their inodes. */
export interface ImagePart {
  nodes: PlannedNode[];
  pieces: Piece[];
  /** The blocks of metadata, counted from their first. */
  firstBlock: number;
  endBlock: number;
  dataBytes: number;
}

/** Where everything is. */
export interface ImageLayout {
  parts: ImagePart[];
  /** The block after the last one of data, where shared attributes and then metadata follow. */
  dataEndBlock: number;
  metadataBlocks: number;
}

/** What decides a layout beside the nodes. */
export interface LayoutOptions {
  contents: ContentTable;
  /** The first block that is free. */
  firstBlock: number;
  chunkBytes: number | undefined;
  algorithm: ErofsCompression["algorithm"] | undefined;
}

/**
 * Gives every node a number and every content its blocks, in the order of the nodes.
 * @throws CvmError `archive` where a node cannot be held
 */
export function layOutImage(nodes: readonly PlannedNode[], options: LayoutOptions): ImageLayout {
  const builder = new LayoutBuilder(options);
  for (const planned of nodes) builder.add(planned);
  return builder.finish();
}

class LayoutBuilder {
  readonly #options: LayoutOptions;
  readonly #allocator = new SlotAllocator();
  readonly #parts: ImagePart[] = [];
  /** Where contents that several files have begin, by digest; chunks too. */
  readonly #blocks = new Map<string, number>();
  #nextBlock: number;
  #part: ImagePart = emptyPart(0);

  constructor(options: LayoutOptions) {
    this.#options = options;
    this.#nextBlock = options.firstBlock;
  }

  add(planned: PlannedNode): void {
    const { pieces } = this.#part;
    const firstPiece = pieces.length;
    this.#placeData(planned);
    const { map, tailSizeBytes } = planned;
    const sizeBytes = map ? mapOffsetBytes(planned) + map.length : inodeSizeBytes(planned) + tailSizeBytes;
    planned.nid = this.#allocator.place(sizeBytes);
    const at = planned.nid * EROFS_SLOT_BYTES - this.#part.firstBlock * EROFS_BLOCK_BYTES;
    for (let index = firstPiece; index < pieces.length; index++) {
      (pieces[index] as Piece).tailOffsetBytes = at + inodeSizeBytes(planned);
    }
    this.#part.nodes.push(planned);
    const blocks = this.#allocator.blocks - this.#part.firstBlock;
    if (this.#part.dataBytes >= PART_DATA_BYTES || blocks >= PART_METADATA_BLOCKS) this.#closePart();
  }

  finish(): ImageLayout {
    this.#closePart();
    return { parts: this.#parts, dataEndBlock: this.#nextBlock, metadataBlocks: this.#allocator.blocks };
  }

  #closePart(): void {
    const endBlock = this.#allocator.blocks;
    this.#allocator.close();
    this.#parts.push({ ...this.#part, endBlock });
    this.#part = emptyPart(endBlock);
  }

  #placeData(planned: PlannedNode): void {
    const { node, path } = planned;
    if (node.kind === "file") this.#placeFile(planned, node.content);
    else if (node.kind === "symlink") {
      const target = encodeTarget(path, node.target);
      planned.sizeBytes = target.length;
      planned.tailSizeBytes = tailBeside(planned);
      const firstBlock = this.#takeBlocks(planned);
      this.#setFlat(planned, firstBlock);
      // What fits is put beside the inode with it.
      if (planned.tailSizeBytes < target.length) this.#addPiece(wholeContent(contentOf(target)), firstBlock);
    } else if (node.kind === "directory") {
      planned.sizeBytes = directorySizeBytes(planned);
      planned.tailSizeBytes = tailBeside(planned);
      this.#setFlat(planned, this.#takeBlocks(planned));
    } else planned.union = deviceNumber(path, node);
  }

  #placeFile(planned: PlannedNode, content: Content): void {
    const { contents, algorithm } = this.#options;
    const stored = contents.stored.get(content.sha256);
    if (stored?.kind === "chunks") this.#placeChunks(planned, content, stored.digests);
    else if (stored?.kind === "clusters") {
      assert(algorithm, "compressed contents have an algorithm");
      const { firstBlock, extents } = stored;
      const place = { sizeBytes: planned.sizeBytes, firstBlock, inodeSizeBytes: inodeSizeBytes(planned), algorithm };
      planned.layout = EROFS_LAYOUT.compressedCompact;
      planned.union = stored.blocks;
      planned.map = encodeClusterMap(extents, place);
    } else {
      planned.tailSizeBytes = contents.tailSizeBytes(planned);
      if (stored) this.#placeWritten(planned, content, stored);
      else if (contents.isShared(content)) this.#placeShared(planned, content);
      else this.#placeFlat(planned, content, this.#takeBlocks(planned));
    }
  }

  /** Blocks that are written already; a tail is read again. */
  #placeWritten(
    planned: PlannedNode,
    content: Content,
    { firstBlock, tailSha256 }: StoredContent & { kind: "blocks" },
  ): void {
    this.#setFlat(planned, firstBlock);
    const { tailSizeBytes } = planned;
    if (tailSizeBytes === 0) return;
    assert(tailSha256, "a content whose tail is yet to be written has its digest");
    const fromBytes = content.sizeBytes - tailSizeBytes;
    const places = { dataOffsetBytes: 0, tailSizeBytes, tailOffsetBytes: 0 };
    this.#addPiece({ content, fromBytes, sizeBytes: tailSizeBytes, sha256: tailSha256, ...places }, 0);
  }

  #placeShared(planned: PlannedNode, content: Content): void {
    const known = this.#blocks.get(content.sha256);
    if (known !== undefined) {
      this.#setFlat(planned, known);
      return;
    }
    const firstBlock = this.#takeBlocks(planned);
    this.#blocks.set(content.sha256, firstBlock);
    this.#placeFlat(planned, content, firstBlock);
  }

  #placeFlat(planned: PlannedNode, content: Content, firstBlock: number): void {
    this.#setFlat(planned, firstBlock);
    if (content.sizeBytes > 0) this.#addPiece(wholeContent(content, planned.tailSizeBytes), firstBlock);
  }

  #placeChunks(planned: PlannedNode, content: Content, digests: readonly string[]): void {
    const { chunkBytes } = this.#options;
    assert(chunkBytes, "contents in chunks have a chunk size");
    planned.layout = EROFS_LAYOUT.chunkBased;
    planned.union = Math.log2(chunkBytes) - EROFS_BLOCK_BITS;
    planned.map = Buffer.alloc(digests.length * EROFS_BLOCK_MAP_ENTRY_BYTES);
    for (const [index, digest] of digests.entries()) {
      const fromBytes = index * chunkBytes;
      const sizeBytes = Math.min(chunkBytes, content.sizeBytes - fromBytes);
      let block = digest === HOLE_DIGEST ? EROFS_NULL_BLOCK : this.#blocks.get(digest);
      if (block === undefined) {
        block = this.#take(Math.ceil(sizeBytes / EROFS_BLOCK_BYTES));
        this.#blocks.set(digest, block);
        const sha256 = digest as Piece["sha256"];
        this.#addPiece({ ...wholeContent(content), fromBytes, sizeBytes, sha256 }, block);
      }
      planned.map.writeUInt32LE(block, index * EROFS_BLOCK_MAP_ENTRY_BYTES);
    }
  }

  #setFlat(planned: PlannedNode, firstBlock: number): void {
    planned.layout = planned.tailSizeBytes > 0 ? EROFS_LAYOUT.flatInline : EROFS_LAYOUT.flatPlain;
    planned.union = planned.sizeBytes > planned.tailSizeBytes ? firstBlock : EROFS_NULL_BLOCK;
  }

  #takeBlocks({ sizeBytes, tailSizeBytes }: PlannedNode): number {
    return this.#take(Math.ceil((sizeBytes - tailSizeBytes) / EROFS_BLOCK_BYTES));
  }

  #take(blocks: number): number {
    const first = this.#nextBlock;
    this.#nextBlock += blocks;
    return first;
  }

  #addPiece(piece: Piece, firstBlock: number): void {
    piece.dataOffsetBytes = firstBlock * EROFS_BLOCK_BYTES;
    this.#part.pieces.push(piece);
    this.#part.dataBytes += piece.sizeBytes;
  }
}

function encodeTarget(path: string, text: string): Buffer {
  const target = Buffer.from(text);
  const isText = text.isWellFormed() && !text.includes("\0");
  if (isText && target.length > 0 && target.length < PATH_MAX_BYTES) return target;
  throw refusal(path, `a target of 1 to ${PATH_MAX_BYTES - 1} bytes of text`, `${target.length}`);
}

function emptyPart(firstBlock: number): ImagePart {
  return { nodes: [], pieces: [], firstBlock, endBlock: firstBlock, dataBytes: 0 };
}
