import { rmSync } from "node:fs";
import type { ReportProgress } from "@cvm-build/bytes";
import { checkCompression } from "../compression/compress.ts";
import { type XattrLoss, xattrLosses } from "../cpio/writer.ts";
import type { DerivedCache, DerivedObject } from "../derived-cache.ts";
import type { FileTree } from "../file-tree.ts";
import { WorkerPool } from "../workers/worker-pool.ts";
import { planSegments, type SegmentPlan, type SegmentSettings } from "./plan.ts";
import { type Segment, SEGMENT_KIND } from "./segment.ts";
import { type SegmentTask, writeSegment, type WrittenSegment } from "./write-segment.ts";

/** Where segments are kept, and how they are made. */
export interface PackOptions extends SegmentSettings {
  /** Where segments are kept and looked for. */
  cache: DerivedCache;
  /** A pool of `SEGMENT_WORKER` threads; with `threads` instead, one is made and ended here. */
  pool?: WorkerPool;
  /** How many threads compress, unless a pool is given. */
  threads?: number;
  report?: ReportProgress;
}

/** A packed tree. */
export interface PackedSegments {
  /** In the order in which they make up the initrd. */
  segments: Segment[];
  /** Extended attributes that the archive cannot carry, such as `security.capability`, in tree order. */
  losses: XattrLoss[];
}

/** Up to here all that is missing is packed in this thread: starting others would take longer. */
const LITTLE_BYTES = 2 << 20;

/** The module that packs segments, for a `WorkerPool`. */
export const SEGMENT_WORKER = new URL("./segment-worker.ts", import.meta.url);

/**
 * Packs a tree as compressed cpio segments, one an origin, and makes only those that the cache does not have. The same
 * tree and settings give the same bytes, whatever the number of threads and the order in which the tree was filled.
 * @throws CvmError `archive` where a node does not fit the format, `compression` for a level that does not exist;
 * FormatError where a file's content is no longer what its digest says
 */
export async function packSegments(tree: FileTree, options: PackOptions): Promise<PackedSegments> {
  checkCompression(options.compression);
  const plans = planSegments(tree, options);
  const segments = new Map<SegmentPlan, Segment>();
  const missing: SegmentPlan[] = [];
  for (const plan of plans) {
    const segment = lookUpSegment(options.cache, plan);
    if (segment) segments.set(plan, segment);
    else missing.push(plan);
  }
  if (missing.length > 0) await packMissing(missing, { ...options, segments });
  return { segments: plans.flatMap((plan) => segments.get(plan) ?? []), losses: xattrLosses(tree.entries()) };
}

type PackingOptions = PackOptions & { segments: Map<SegmentPlan, Segment> };

/**
 * Packs with as many segments in flight as the pool has threads, the largest first, so that it is not the one that all
 * wait for. After a failure no further one is begun, and those in flight come to their end.
 */
async function packMissing(missing: readonly SegmentPlan[], options: PackingOptions): Promise<void> {
  const ownPool = options.pool ? undefined : new WorkerPool({ module: SEGMENT_WORKER, size: options.threads ?? 1 });
  const pool = options.pool ?? (ownPool as WorkerPool);
  const isLittle = missing.reduce((sum, { weightBytes }) => sum + weightBytes, 0) <= LITTLE_BYTES;
  const write = (task: SegmentTask): Promise<WrittenSegment> => (isLittle ? writeSegment(task) : pool.run(task));
  const queue = [...missing].sort((a, b) => a.weightBytes - b.weightBytes);
  const failures = new Map<SegmentPlan, unknown>();
  let done = 0;
  const packNext = async (): Promise<void> => {
    for (let plan = queue.pop(); plan && failures.size === 0; plan = queue.pop()) {
      try {
        options.segments.set(plan, await packOne(plan, { ...options, write }));
      } catch (error) {
        failures.set(plan, error);
        return;
      }
      const item = plan.origin === "directories" ? plan.origin : plan.origin.name;
      options.report?.({ stage: "compress", item, done: ++done, total: missing.length, unit: "items" });
    }
  };
  try {
    await Promise.all(Array.from({ length: pool.size }, packNext));
  } finally {
    await ownPool?.[Symbol.asyncDispose]();
  }
  const failed = missing.find((plan) => failures.has(plan));
  if (failed) throw failures.get(failed);
}

async function packOne(
  plan: SegmentPlan,
  options: PackOptions & { write: (task: SegmentTask) => Promise<WrittenSegment> },
): Promise<Segment> {
  const { cache, compression, mtimeClampSec, write } = options;
  const temporaryPath = cache.reserve();
  const task: SegmentTask = { entries: plan.entries, compression, mtimeClampSec, temporaryPath };
  try {
    const written = await write(task);
    const { uncompressedSizeBytes } = written;
    const object = cache.commit(SEGMENT_KIND, plan.key, { temporaryPath, ...written, meta: { uncompressedSizeBytes } });
    return segmentOf(plan, object, { uncompressedSizeBytes, fromCache: false });
  } catch (error) {
    rmSync(temporaryPath, { force: true });
    throw error;
  }
}

function lookUpSegment(cache: DerivedCache, plan: SegmentPlan): Segment | undefined {
  const object = cache.lookup(SEGMENT_KIND, plan.key);
  const uncompressedSizeBytes: unknown = Reflect.get(Object(object?.meta), "uncompressedSizeBytes");
  if (!object || typeof uncompressedSizeBytes !== "number") return undefined;
  return segmentOf(plan, object, { uncompressedSizeBytes, fromCache: true });
}

function segmentOf(
  { origin, key, entries }: SegmentPlan,
  { path, sizeBytes, sha256 }: DerivedObject,
  rest: Pick<Segment, "uncompressedSizeBytes" | "fromCache">,
): Segment {
  return { origin, key, path, sizeBytes, sha256, entryCount: entries.length, ...rest };
}
