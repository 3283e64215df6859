import { borrowedChunksOf, type ByteSource } from "@cvm-build/bytes";
import { LazyContent, readCpio, readCpioTree } from "@cvm-build/fs-writer";
import type { Workspace } from "../workspace.ts";
import { BoundedTree, FOUND, type FoundTree } from "./found-tree.ts";

/** What an initrd may hold, uncompressed. One that was compressed as a whole is in memory as a whole. */
const MAX_SIZE_BYTES = 2 ** 32;
/** Larger contents are not kept in memory, nor others when they are too many. */
const SMALL_BYTES = 1 << 16;
const MAX_MEMORY_BYTES = 1 << 26;

/**
 * The tree that the kernel would unpack of an initrd: archives in a row, each compressed or not.
 * @param workspace where contents go that are asked for; without one they are read anew each time
 * @throws FormatError
 */
export function treeOfInitrd(source: ByteSource, workspace?: Workspace): FoundTree {
  let memoryBytes = 0;
  const keep = (data: ByteSource, index: number): LazyContent => {
    const isSmall = data.sizeBytes <= SMALL_BYTES && memoryBytes + data.sizeBytes <= MAX_MEMORY_BYTES;
    if (isSmall) memoryBytes += data.sizeBytes;
    return contentOf(data, { isSmall, source, index, workspace });
  };
  const tree = readCpioTree(source, { maxSizeBytes: MAX_SIZE_BYTES, origin: FOUND, tree: new BoundedTree(), keep });
  return { tree, leftOut: [] };
}

/** The data of an entry are there only until the next is asked for, where they were compressed. */
function contentOf(
  data: ByteSource,
  place: { isSmall: boolean; source: ByteSource; index: number; workspace: Workspace | undefined },
): LazyContent {
  const { isSmall, source, index, workspace } = place;
  const { sizeBytes } = data;
  if (isSmall) {
    const bytes = Buffer.from(data.read(0, sizeBytes));
    return new LazyContent(sizeBytes, () => (sizeBytes === 0 ? [] : [bytes]));
  }
  if (workspace) return LazyContent.in(workspace.keep(data));
  return new LazyContent(sizeBytes, () => readAgain(source, index));
}

function* readAgain(source: ByteSource, wanted: number): Generator<Buffer> {
  let index = 0;
  for (const { data } of readCpio(source, { maxSizeBytes: MAX_SIZE_BYTES })) {
    if (index++ < wanted) continue;
    yield* borrowedChunksOf(data);
    return;
  }
}
