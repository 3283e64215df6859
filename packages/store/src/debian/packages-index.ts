import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { sha256Hex } from "@cvm-build/bytes";
import type { Downloader } from "../download/downloader.ts";
import { isMissing, StoreError } from "../errors.ts";
import type { DerivedObjects } from "../objects/derived-objects.ts";
import type { ObjectStore } from "../objects/object-store.ts";
import { joinAddress } from "./mirrors.ts";
import type { ReleaseEntry, ReleaseFile } from "./release-file.ts";

/** Larger than any archive's index (sid's is 60 MB). */
const MAX_INDEX_BYTES = 1 << 30;

const KIND = "packages-index";

/** How an index may be compressed, best first: xz is what every suite has and the least to transfer. */
const COMPRESSIONS = [
  { extension: ".xz", decompress: unxz },
  { extension: ".gz", decompress: (bytes: Buffer) => promisify(gunzip)(bytes, { maxOutputLength: MAX_INDEX_BYTES }) },
  { extension: "", decompress: (bytes: Buffer) => Promise.resolve(bytes) },
] as const;

/** Where an index is. */
export interface IndexPlace {
  suite: string;
  component: string;
  architecture: string;
  /** Bases to ask, that of the release file first. */
  bases: readonly string[];
}

/** What reading indexes needs of the store. */
export interface IndexParts {
  downloader: Downloader;
  objects: ObjectStore;
  derived: DerivedObjects;
}

/**
 * The text of a `Packages` file that a verified release file vouches for. Its decompressed form is kept under its
 * digest, so that the next resolve neither fetches nor decompresses it.
 * @throws StoreError `wrong-repository` where the release has no such index, `malformed`, and as downloads do
 */
export async function readPackagesIndex(release: ReleaseFile, place: IndexPlace, parts: IndexParts): Promise<Buffer> {
  const path = `${place.component}/binary-${place.architecture}/Packages`;
  const whole = release.files.get(path);
  if (whole !== undefined) {
    const kept = await readKept(whole, parts.derived);
    if (kept !== undefined) return kept;
  }
  const name = `${place.suite}/${path}`;
  const offered = COMPRESSIONS.filter(({ extension }) => release.files.has(path + extension));
  let missing: unknown;
  for (const { extension, decompress } of offered) {
    const entry = release.files.get(path + extension) as ReleaseEntry;
    try {
      const compressed = await fetchIndex(entry, { release, place, path: path + extension, parts });
      const packages = await decompressIndex(compressed, { decompress, name, whole });
      parts.derived.put(KIND, sha256Hex(packages), { bytes: packages, meta: {} });
      return packages;
    } catch (error) {
      // Release files also list forms that mirrors do not carry.
      if (!(error instanceof StoreError) || (error.code !== "not-found" && error.code !== "unreachable")) throw error;
      missing ??= error;
    }
  }
  if (missing !== undefined) throw missing;
  throw new StoreError("wrong-repository", `cannot read index "${name}": expected it in the release file, got none`);
}

async function fetchIndex(
  entry: ReleaseEntry,
  { release, place, path, parts }: { release: ReleaseFile; place: IndexPlace; path: string; parts: IndexParts },
): Promise<Buffer> {
  if (entry.sizeBytes > MAX_INDEX_BYTES) {
    throw new StoreError(
      "malformed",
      `cannot read index "${path}": expected at most ${MAX_INDEX_BYTES} bytes, got ${entry.sizeBytes}`,
    );
  }
  const folder = path.slice(0, path.lastIndexOf("/"));
  // By its digest a mirror serves an index even while the archive is being replaced.
  const paths = release.acquireByHash ? [`${folder}/by-hash/SHA256/${entry.sha256}`, path] : [path];
  // Its bytes are about to be used: a damaged one is moved away here and fetched again below.
  await parts.objects.verify(entry.sha256);
  const { sha256 } = await parts.downloader.download({
    kind: "index",
    name: `${place.suite}/${path}`,
    digest: `SHA-256 ${entry.sha256}`,
    urls: place.bases.flatMap((base) => paths.map((each) => joinAddress(base, `dists/${place.suite}/${each}`))),
    identity: { algorithm: "sha256", hex: entry.sha256 },
    sizeBytes: entry.sizeBytes,
    maxBytes: MAX_INDEX_BYTES,
  });
  return parts.objects.read(sha256);
}

async function decompressIndex(
  compressed: Buffer,
  {
    decompress,
    name,
    whole,
  }: { decompress: (bytes: Buffer) => Promise<Buffer>; name: string; whole: ReleaseEntry | undefined },
): Promise<Buffer> {
  let packages: Buffer;
  try {
    packages = await decompress(compressed);
  } catch (error) {
    throw new StoreError("malformed", `cannot decompress index "${name}": expected a whole stream, got an error`, {
      cause: error,
    });
  }
  if (whole === undefined || sha256Hex(packages) === whole.sha256) return packages;
  throw new StoreError(
    "digest-mismatch",
    `cannot use index "${name}": expected SHA-256 ${whole.sha256}, got ${sha256Hex(packages)}`,
  );
}

async function unxz(bytes: Buffer): Promise<Buffer> {
  const { xz } = await import("@napi-rs/lzma");
  return xz.decompress(bytes);
}

async function readKept({ sha256 }: ReleaseEntry, derived: DerivedObjects): Promise<Buffer | undefined> {
  const kept = derived.lookup(KIND, sha256);
  if (kept === undefined) return undefined;
  try {
    const packages = await readFile(kept.path);
    if (sha256Hex(packages) === sha256) return packages;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  derived.discard(KIND, sha256);
  return undefined;
}
