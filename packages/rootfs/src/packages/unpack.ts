import { rmSync } from "node:fs";
import {
  compactCanonicalJson,
  CvmError,
  FormatError,
  type ReportProgress,
  type Sha256Hex,
  sha256Hex,
} from "@cvm-build/bytes";
import { compareUtf8, type DerivedCache, type DerivedObject, WorkerPool } from "@cvm-build/fs-writer";
import { decodeArchive, type DecodedArchive, type DecodeTask } from "./decode-archive.ts";
import { type Payload, PAYLOAD_FORMAT, type PayloadIndex } from "./payload.ts";

const KIND = "payload";
/** Up to here all that is missing is decoded in this thread: starting others would take longer. */
const FEW_BYTES = 512 << 10;

/** An archive to unpack: a .deb, or a tar archive in any compression. */
export interface ArchiveSource {
  kind: "deb" | "tar";
  /** What messages call it. */
  name: string;
  path: string;
  sizeBytes: number;
  sha256: Sha256Hex;
}

/** Where payloads are kept, and how much may run at once. */
export interface UnpackTools {
  cache: DerivedCache;
  /** Threads that decode at the same time. */
  workers: number;
  report?: ReportProgress;
}

/**
 * The payloads of archives, in the same order: from the cache, or decoded in worker threads, largest first.
 * @throws CvmError `package` naming the package and file where one is damaged or not the locked one
 */
export async function unpack(sources: readonly ArchiveSource[], tools: UnpackTools): Promise<Payload[]> {
  const found = sources.map((source) => ({ source, object: tools.cache.lookup(KIND, cacheKey(source)) }));
  const missing = found.filter(({ object }) => object === undefined).map(({ source }) => source);
  const decoded = await decodeAll(missing, tools);
  return found.map(({ source, object }) => {
    const payload = object ?? decoded.get(source)!;
    return { index: payload.meta as PayloadIndex, tarPath: payload.path };
  });
}

async function decodeAll(
  sources: readonly ArchiveSource[],
  tools: UnpackTools,
): Promise<Map<ArchiveSource, DerivedObject>> {
  const decoded = new Map<ArchiveSource, DerivedObject>();
  if (sources.length === 0) return decoded;
  const total = sources.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let done = 0;
  const size = Math.min(tools.workers, sources.length);
  await using pool = new WorkerPool({ module: new URL("./decode-worker.ts", import.meta.url), size });
  const decode = (task: DecodeTask): Promise<DecodedArchive> =>
    total <= FEW_BYTES ? decodeArchive(task) : pool.run<DecodeTask, DecodedArchive>(task);
  const largestFirst = sources.toSorted((a, b) => b.sizeBytes - a.sizeBytes || compareUtf8(a.name, b.name));
  await Promise.all(
    largestFirst.map(async (source) => {
      decoded.set(source, await decodeOne(source, { decode, cache: tools.cache }));
      done += source.sizeBytes;
      tools.report?.({ stage: "unpack", item: source.name, done, total, unit: "bytes" });
    }),
  );
  return decoded;
}

async function decodeOne(
  source: ArchiveSource,
  { decode, cache }: { decode: (task: DecodeTask) => Promise<DecodedArchive>; cache: DerivedCache },
): Promise<DerivedObject> {
  const { kind, name, path, sha256 } = source;
  const temporaryPath = cache.reserve();
  try {
    const task: DecodeTask = { kind, name, path, sha256, tarPath: temporaryPath };
    const { index, ...written } = await decode(task);
    return cache.commit(KIND, cacheKey(source), { temporaryPath, ...written, meta: index });
  } catch (cause) {
    rmSync(temporaryPath, { force: true });
    if (!(cause instanceof FormatError)) throw cause;
    throw new CvmError("package", `cannot unpack "${name}": ${cause.message.replace(/^cannot decode /, "in ")}`, {
      hint: "the file is damaged or not the one that was locked: remove it from the store and fetch it again",
      cause,
      details: { package: name, file: path },
    });
  }
}

function cacheKey({ kind, sha256 }: ArchiveSource): Sha256Hex {
  return sha256Hex(compactCanonicalJson({ kind, sha256, format: PAYLOAD_FORMAT }));
}
