import { alignUp, borrowedChunksOf, type ByteSource } from "@cvm-build/bytes";
import { dataExtents, type Extent } from "../data-extents.ts";
import { SparseWriter, type WrittenFile } from "../sparse-writer.ts";
import {
  CLUSTER_BITS,
  COPIED_BIT,
  QCOW2_MAGIC,
  QCOW2_VERSION,
  Qcow2Header,
  Qcow2HeaderV3,
  REFCOUNT_ORDER,
  TABLE_ENTRY_BYTES,
} from "./format.ts";

const CLUSTER_BYTES = 1 << CLUSTER_BITS;
const SECTOR_BYTES = 512;
const REFCOUNT_BYTES = 2 ** REFCOUNT_ORDER / 8;
const REFCOUNTS_PER_BLOCK = CLUSTER_BYTES / REFCOUNT_BYTES;
const ENTRIES_PER_TABLE = CLUSTER_BYTES / TABLE_ENTRY_BYTES;

/**
 * Writes a disk as qcow2, version 3, without compression: all tables, then only those clusters that are not all zeros, in
 * the disk's order.
 * @see QEMU docs/interop/qcow2.txt
 */
export function writeQcow2(disk: ByteSource, output: string): WrittenFile {
  const extents = dataExtents(disk);
  const clusters = extents.flatMap(clustersOf);
  const layout = layOut(clusters, alignUp(disk.sizeBytes, SECTOR_BYTES));
  using writer = new SparseWriter(output);
  for (const table of tables(clusters, layout)) {
    writer.append(table);
    writer.skipTo(alignUp(writer.offsetBytes, CLUSTER_BYTES));
  }
  for (const extent of extents) {
    for (const chunk of borrowedChunksOf(disk, extent)) writer.append(chunk);
  }
  writer.skipTo(layout.clusters * CLUSTER_BYTES);
  return writer.finish();
}

/** Where the parts lie, in clusters: header, reference counts' table and blocks, both levels of tables, data. */
interface Layout {
  diskBytes: number;
  refcountTable: { clusters: number };
  refcountBlocks: { start: number; clusters: number };
  l1: { start: number; entries: number };
  /** First-level entries in use, and where their tables begin. */
  l2: { start: number; indexes: number[] };
  dataStart: number;
  /** Of the whole file. */
  clusters: number;
}

function clustersOf({ offsetBytes, sizeBytes }: Extent): number[] {
  const first = offsetBytes / CLUSTER_BYTES;
  return Array.from({ length: Math.ceil(sizeBytes / CLUSTER_BYTES) }, (_, index) => first + index);
}

function layOut(dataClusters: readonly number[], diskBytes: number): Layout {
  const l1Entries = Math.ceil(diskBytes / (CLUSTER_BYTES * ENTRIES_PER_TABLE));
  const l1Clusters = Math.max(1, Math.ceil(l1Entries / ENTRIES_PER_TABLE));
  const indexes = [...new Set(dataClusters.map((cluster) => Math.floor(cluster / ENTRIES_PER_TABLE)))];
  const others = 1 + l1Clusters + indexes.length + dataClusters.length;
  // Reference counts count themselves: more of them are laid out until they do.
  let [tableClusters, blocks] = [1, 1];
  while (others + tableClusters + blocks > blocks * REFCOUNTS_PER_BLOCK) {
    blocks++;
    tableClusters = Math.ceil(blocks / ENTRIES_PER_TABLE);
  }
  const l1Start = 1 + tableClusters + blocks;
  const l2Start = l1Start + l1Clusters;
  return {
    diskBytes,
    refcountTable: { clusters: tableClusters },
    refcountBlocks: { start: 1 + tableClusters, clusters: blocks },
    l1: { start: l1Start, entries: l1Entries },
    l2: { start: l2Start, indexes },
    dataStart: l2Start + indexes.length,
    clusters: others + tableClusters + blocks,
  };
}

/** Header and tables in the order in which they lie; each begins at a cluster. */
function* tables(dataClusters: readonly number[], layout: Layout): Generator<Buffer> {
  const { refcountBlocks, refcountTable, l1, l2, dataStart, clusters } = layout;
  yield encodeHeader(layout);
  const offset = (cluster: number): bigint => BigInt(cluster) * BigInt(CLUSTER_BYTES);

  const blocks = Array.from({ length: refcountBlocks.clusters }, (_, index) => offset(refcountBlocks.start + index));
  yield encodeTable(new Map(blocks.entries()), refcountTable.clusters * ENTRIES_PER_TABLE);
  const counts = Buffer.alloc(refcountBlocks.clusters * CLUSTER_BYTES);
  for (let cluster = 0; cluster < clusters; cluster++) counts.writeUInt16BE(1, cluster * REFCOUNT_BYTES);
  yield counts;

  const l1Entries = l2.indexes.map((index, at) => [index, offset(l2.start + at) | COPIED_BIT] as const);
  yield encodeTable(new Map(l1Entries), Math.max(1, l1.entries));
  let at = 0;
  for (const index of l2.indexes) {
    const entries = new Map<number, bigint>();
    for (let cluster = dataClusters[at]; cluster !== undefined; cluster = dataClusters[++at]) {
      if (Math.floor(cluster / ENTRIES_PER_TABLE) !== index) break;
      entries.set(cluster % ENTRIES_PER_TABLE, offset(dataStart + at) | COPIED_BIT);
    }
    yield encodeTable(entries, ENTRIES_PER_TABLE);
  }
}

function encodeTable(entries: ReadonlyMap<number, bigint>, length: number): Buffer {
  const table = Buffer.alloc(length * TABLE_ENTRY_BYTES);
  for (const [index, value] of entries) table.writeBigUInt64BE(value, index * TABLE_ENTRY_BYTES);
  return table;
}

function encodeHeader({ diskBytes, refcountTable, l1 }: Layout): Buffer {
  const header = Qcow2Header.encode({
    magic: QCOW2_MAGIC,
    version: QCOW2_VERSION,
    backingFileOffset: 0n,
    backingFileSize: 0,
    clusterBits: CLUSTER_BITS,
    sizeBytes: BigInt(diskBytes),
    cryptMethod: 0,
    l1Size: l1.entries,
    l1TableOffset: BigInt(l1.start * CLUSTER_BYTES),
    refcountTableOffset: BigInt(CLUSTER_BYTES),
    refcountTableClusters: refcountTable.clusters,
    snapshots: 0,
    snapshotsOffset: 0n,
  });
  const more = Qcow2HeaderV3.encode({
    incompatibleFeatures: 0n,
    compatibleFeatures: 0n,
    autoclearFeatures: 0n,
    refcountOrder: REFCOUNT_ORDER,
    headerBytes: Qcow2Header.sizeBytes + Qcow2HeaderV3.sizeBytes,
  });
  // The extension that ends the list of them is all zeros, as what follows is.
  return Buffer.concat([header, more]);
}
