import { alignUp, FormatError } from "@cvm-build/bytes";
import {
  EROFS_ADVISE,
  EROFS_CLUSTER_TYPE,
  EROFS_COMPRESSION_ALGORITHMS,
  EROFS_FRAGMENT_INODE,
  EROFS_PCLUSTER_MAX_BYTES,
  EROFS_PCLUSTER_MAX_CONTENT_BYTES,
  ErofsMapHeader,
} from "../format.ts";
import type { ErofsInode } from "../reading/inode.ts";
import type { ErofsRun } from "../reading/run.ts";
import type { ErofsVolume } from "../reading/superblock.ts";
import {
  type ClusterIndex,
  compactIndexes,
  compactIndexesEnd,
  type CompactOptions,
  fullIndexes,
  fullIndexesEnd,
  type IndexTable,
} from "./cluster-indexes.ts";
import type { ErofsAlgorithm } from "./decode-cluster.ts";

const MAP_ALIGNMENT = 8;
/** Full indexes do not begin right behind the header. */
const FULL_PADDING_BYTES = 8;
/** The header as one number is the offset in the packed inode, but for its highest bit. */
const FRAGMENT_OFFSET_MASK = (1n << 63n) - 1n;
const ALGORITHMS = new Map<number, ErofsAlgorithm>(
  Object.entries(EROFS_COMPRESSION_ALGORITHMS).map(([name, number]) => [number, name as ErofsAlgorithm]),
);

/** An extent of which the next one's begin is not known yet. */
interface Head extends ClusterIndex {
  cluster: number;
  offsetBytes: number;
  /** Whether a cluster without a head of its own comes next. */
  isContinued: boolean;
}

/** What lies at the end of a file in another way than the rest. */
type Tail = { kind: "inline"; offsetBytes: number; sizeBytes: number } | { kind: "fragment"; offsetLow: number };

interface ClusterMap {
  volume: ErofsVolume;
  inode: ErofsInode;
  header: ErofsMapHeader;
  tail: Tail | undefined;
}

/**
 * Runs of a compressed inode.
 * @throws FormatError where its map is damaged, or leads out of what the format allows
 * @see Linux, fs/erofs/zmap.c
 */
export function* clusterRuns(volume: ErofsVolume, inode: ErofsInode): Generator<ErofsRun> {
  const { sizeBytes } = inode;
  if (sizeBytes === 0) return;
  const headerOffset = alignUp(inode.endOffsetBytes, MAP_ALIGNMENT);
  const bytes = volume.source.read(headerOffset, ErofsMapHeader.sizeBytes);
  const header = ErofsMapHeader.decode(bytes);
  if ((header.clusterBits & EROFS_FRAGMENT_INODE) !== 0) {
    const packedOffset = bytes.readBigUInt64LE() & FRAGMENT_OFFSET_MASK;
    yield { kind: "fragment", offsetBytes: 0, sizeBytes, packedOffsetBytes: Number(packedOffset) };
    return;
  }
  checkHeader(header, inode);
  const { indexes, endOffsetBytes } = indexesOf(volume, inode, { header, headerOffset });
  const map: ClusterMap = { volume, inode, header, tail: tailOf(header, endOffsetBytes) };
  let head: Head | undefined;
  let cluster = 0;
  for (const index of indexes) {
    if (index.type === EROFS_CLUSTER_TYPE.nonhead) {
      if (!head) throw damaged("clusters that begin with a head", inode);
      continueHead(map, head, { index, cluster });
    } else {
      const offsetBytes = cluster * volume.blockBytes + index.clusterOffset;
      // A file whose last cluster has no other head may have one that says where the file ends.
      if (head && offsetBytes === sizeBytes) break;
      if (index.clusterOffset >= volume.blockBytes || offsetBytes > sizeBytes) {
        throw damaged("extents that begin within their cluster and the file", inode);
      }
      if (head) yield runOf(map, head, offsetBytes);
      else if (offsetBytes !== 0) throw damaged("the first extent to begin the file", inode);
      head = { ...index, cluster, offsetBytes, isContinued: false };
    }
    cluster++;
  }
  if (head) yield map.tail ? tailRun(map, head, map.tail) : runOf(map, head, sizeBytes);
}

function checkHeader({ advise, clusterBits, algorithms }: ErofsMapHeader, inode: ErofsInode): void {
  if (clusterBits !== 0) throw damaged("logical clusters of one block", inode);
  const both = EROFS_ADVISE.bigPcluster1 | EROFS_ADVISE.bigPcluster2;
  const isMixed = (advise & both) !== 0 && (advise & both) !== both;
  if (isMixed && inode.layout === "compressedCompact") throw damaged("large clusters for both kinds of heads", inode);
  if (!ALGORITHMS.has(algorithms & 0xf)) throw damaged("a known algorithm", inode);
}

function indexesOf(
  { source, blockBytes, blockBits }: ErofsVolume,
  inode: ErofsInode,
  { header, headerOffset }: { header: ErofsMapHeader; headerOffset: number },
): { indexes: Iterable<ClusterIndex>; endOffsetBytes: number } {
  const table: IndexTable = {
    offsetBytes: headerOffset + ErofsMapHeader.sizeBytes,
    count: Math.ceil(inode.sizeBytes / blockBytes),
  };
  if (inode.layout === "compressedFull") {
    table.offsetBytes += FULL_PADDING_BYTES;
    return { indexes: fullIndexes(source, table), endOffsetBytes: fullIndexesEnd(table) };
  }
  const options: CompactOptions = {
    clusterBits: blockBits,
    has2B: (header.advise & EROFS_ADVISE.compacted2B) !== 0,
    hasBigClusters: (header.advise & EROFS_ADVISE.bigPcluster1) !== 0,
  };
  return { indexes: compactIndexes(source, table, options), endOffsetBytes: compactIndexesEnd(table, options) };
}

/** The field that holds where a fragment lies holds the size of inline data otherwise. */
function tailOf({ advise, fragmentOffset }: ErofsMapHeader, endOffsetBytes: number): Tail | undefined {
  if ((advise & EROFS_ADVISE.fragmentPcluster) !== 0) return { kind: "fragment", offsetLow: fragmentOffset };
  const sizeBytes = fragmentOffset >>> 16;
  if ((advise & EROFS_ADVISE.inlinePcluster) === 0 || sizeBytes === 0) return undefined;
  return { kind: "inline", offsetBytes: endOffsetBytes, sizeBytes };
}

function continueHead(map: ClusterMap, head: Head, { index, cluster }: { index: ClusterIndex; cluster: number }): void {
  if (cluster === head.cluster + 1) {
    head.isContinued = true;
    head.blockCount = index.blockCount;
  }
  if (index.blockCount !== undefined && (cluster !== head.cluster + 1 || !mayBeBig(map.header, head))) {
    throw damaged("a count of blocks only after heads of large clusters", map.inode);
  }
}

function mayBeBig({ advise }: ErofsMapHeader, { type }: ClusterIndex): boolean {
  const bit = type === EROFS_CLUSTER_TYPE.head1 ? EROFS_ADVISE.bigPcluster1 : EROFS_ADVISE.bigPcluster2;
  return (advise & bit) !== 0;
}

function runOf(map: ClusterMap, head: Head, end: number): ErofsRun {
  const { volume, header, inode } = map;
  const blocks = head.isContinued && mayBeBig(header, head) ? head.blockCount : 1;
  if (!blocks) throw damaged("a count of blocks after the head of a large cluster", inode);
  return placedRun(map, head, {
    end,
    physicalOffsetBytes: head.block * volume.blockBytes,
    physicalSizeBytes: blocks * volume.blockBytes,
  });
}

function placedRun(
  { volume, header, inode }: ClusterMap,
  head: Head,
  place: { end: number; physicalOffsetBytes: number; physicalSizeBytes: number },
): ErofsRun {
  const { end, physicalOffsetBytes, physicalSizeBytes } = place;
  const { offsetBytes, isPartial } = head;
  const sizeBytes = end - offsetBytes;
  const run = { offsetBytes, sizeBytes, physicalOffsetBytes };
  if (head.type === EROFS_CLUSTER_TYPE.plain) {
    if (sizeBytes > physicalSizeBytes)
      throw damaged(`uncompressed extents of at most ${physicalSizeBytes} bytes`, inode);
    const isInterlaced = (header.advise & EROFS_ADVISE.interlacedPcluster) !== 0;
    if (isInterlaced && sizeBytes > volume.blockBytes) throw damaged("interlaced extents of one block", inode);
    return { kind: isInterlaced ? "interlaced" : "stored", ...run };
  }
  const number = head.type === EROFS_CLUSTER_TYPE.head2 ? header.algorithms >> 4 : header.algorithms & 0xf;
  const algorithm = ALGORITHMS.get(number);
  if (!algorithm || !volume.algorithms.has(algorithm)) throw damaged("an algorithm of the image", inode);
  if (sizeBytes > EROFS_PCLUSTER_MAX_CONTENT_BYTES || physicalSizeBytes > EROFS_PCLUSTER_MAX_BYTES) {
    throw damaged(`clusters of at most ${EROFS_PCLUSTER_MAX_BYTES} bytes`, inode);
  }
  return { kind: "cluster", ...run, physicalSizeBytes, algorithm, isPartial };
}

function tailRun(map: ClusterMap, head: Head, tail: Tail): ErofsRun {
  const { inode, volume } = map;
  const sizeBytes = inode.sizeBytes - head.offsetBytes;
  if (tail.kind === "fragment") {
    // Full indexes have room for the upper half of the offset.
    const high = inode.layout === "compressedFull" ? head.block * 2 ** 32 : 0;
    return { kind: "fragment", offsetBytes: head.offsetBytes, sizeBytes, packedOffsetBytes: high + tail.offsetLow };
  }
  if ((tail.offsetBytes % volume.blockBytes) + tail.sizeBytes > volume.blockBytes) {
    throw damaged("inline data in one block", inode);
  }
  const place = { physicalOffsetBytes: tail.offsetBytes, physicalSizeBytes: tail.sizeBytes };
  return placedRun(map, head, { end: inode.sizeBytes, ...place });
}

function damaged(expectation: string, inode: ErofsInode): FormatError {
  return new FormatError({ record: "erofs", field: "cluster map" }, `expected ${expectation}, in inode ${inode.nid}`);
}
