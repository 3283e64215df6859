import type { Sha256Hex } from "@cvm-build/bytes";
import type { CompressedExtent } from "../compression/cluster-map.ts";
import { EROFS_BLOCK_BYTES } from "../format.ts";
import { inodeSizeBytes, type PlannedNode } from "./nodes.ts";
import type { Content } from "../../tree.ts";

/** How a content is stored other than as plain blocks that are yet to be written. */
export type StoredContent =
  /** Compressed, in blocks that are written. */
  | { kind: "clusters"; firstBlock: number; blocks: number; extents: CompressedExtent[] }
  /** As it is, in blocks that are written, but for a tail that belongs into the metadata. */
  | { kind: "blocks"; firstBlock: number; tailSha256: Sha256Hex | undefined }
  /** In chunks, some of which are holes or occur elsewhere too; one digest a chunk, `HOLE_DIGEST` for holes. */
  | { kind: "chunks"; digests: Sha256Hex[] };

/** The contents of an image: which there are, and how they are stored. */
export class ContentTable {
  readonly #counts = new Map<Sha256Hex, number>();
  readonly #first: PlannedNode[] = [];
  readonly stored = new Map<Sha256Hex, StoredContent>();

  constructor(nodes: readonly PlannedNode[]) {
    for (const planned of nodes) {
      if (planned.node.kind !== "file") continue;
      const { sha256 } = planned.node.content;
      const count = this.#counts.get(sha256) ?? 0;
      this.#counts.set(sha256, count + 1);
      if (count === 0) this.#first.push(planned);
    }
  }

  /** Every content of a block or more once, in the order of the tree. Smaller ones lie beside their inodes. */
  blockContents(): Content[] {
    const nodes = this.#first.filter(({ sizeBytes }) => sizeBytes >= EROFS_BLOCK_BYTES);
    return nodes.flatMap(({ node }) => (node.kind === "file" ? [node.content] : []));
  }

  /** Whether the blocks of a content are those of several files: all of it is in blocks then. */
  isShared({ sizeBytes, sha256 }: Content): boolean {
    return sizeBytes >= EROFS_BLOCK_BYTES && (this.#counts.get(sha256) ?? 0) > 1;
  }

  /** How much of the end of a plain file lies behind its inode. */
  tailSizeBytes(planned: PlannedNode): number {
    if (planned.node.kind === "file" && this.isShared(planned.node.content)) return 0;
    return tailBeside(planned);
  }

  /** The tails of contents that occur once, by their digest. */
  tailSizes(): Map<Sha256Hex, number> {
    const sizes = new Map<Sha256Hex, number>();
    for (const planned of this.#first) {
      if (planned.node.kind === "file") sizes.set(planned.node.content.sha256, this.tailSizeBytes(planned));
    }
    return sizes;
  }
}

/** How much of the end of a node's data fits into one block with its inode. */
export function tailBeside(planned: PlannedNode): number {
  const tailSizeBytes = planned.sizeBytes % EROFS_BLOCK_BYTES;
  return inodeSizeBytes(planned) + tailSizeBytes <= EROFS_BLOCK_BYTES ? tailSizeBytes : 0;
}
