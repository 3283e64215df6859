import { statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { isSha256Hex, type Sha256Hex } from "@cvm-build/bytes";
import type { LockedArtifact } from "@cvm-build/resolver";
import { addressOf } from "./debian/mirrors.ts";
import type { Downloader } from "./download/downloader.ts";
import type { DownloadRequest } from "./download/transfer.ts";
import { reasonOf, StoreError } from "./errors.ts";
import { readNpmPackage, isExactPackage, type NpmPackage, sha512OfIntegrity } from "./npm/package-address.ts";
import { registryFor } from "./npm/registry.ts";
import { digestOfFile, hashFile, type ObjectStore, type StoredObject } from "./objects/object-store.ts";
import type { References } from "./objects/references.ts";

/** Where the bytes of an artefact come from. */
export type ArtifactSource =
  | { kind: "path"; path: string }
  | { kind: "https"; url: string; sha256: string }
  | { kind: "npm"; package: string; version: string; integrity: string }
  | { kind: "deb"; url: string; sha256: string };

/** An artefact as a profile declares it; `ArtifactDeclaration` of profile is one. */
export interface DeclaredArtifact {
  name: string;
  source: ArtifactSource;
}

/** Larger than any artefact that belongs into an image. */
const MAX_ARTIFACT_BYTES = 8 * 2 ** 30;

/** What fetching artefacts needs of the store. */
export interface ArtifactParts {
  downloader: Downloader;
  objects: ObjectStore;
  references: References;
  environment: Readonly<Record<string, string | undefined>>;
}

/** Where relative paths begin, and a file that the user supplied in place of the source. */
export interface ArtifactPlace {
  baseDirectory: string;
  override?: string | undefined;
}

/**
 * States the digest of an artefact: the step from a declaration to the lock. What declares its SHA-256 is not fetched
 * for that, so that a lock can be made where the artefact is out of reach.
 * @throws StoreError `artifact` for a source that does not identify its bytes, and as downloads do
 */
export async function resolveDeclaredArtifact(
  { name, source }: DeclaredArtifact,
  place: ArtifactPlace,
  parts: ArtifactParts,
): Promise<LockedArtifact> {
  switch (source.kind) {
    case "path": {
      const object = await keepFile(place.override ?? source.path, { name, baseDirectory: place.baseDirectory, parts });
      return { name, kind: "path", from: source.path, sha256: object.sha256 };
    }
    case "npm": {
      const object = await fetchNpm(name, { source, place, parts });
      const from = `${source.package}@${source.version}`;
      return { name, kind: "npm", from, sha256: object.sha256 };
    }
    case "https":
    case "deb":
      return { name, kind: source.kind, from: source.url, sha256: declaredSha256(name, source.sha256) };
  }
}

/**
 * Fetches the artefacts of a lock.
 * @param options.overrides files that the user supplied, by artefact; they must have the locked digest
 * @returns where each is in the store, by digest
 * @throws StoreError as downloads do
 */
export async function fetchLockedArtifacts(
  artifacts: readonly LockedArtifact[],
  { baseDirectory, overrides }: { baseDirectory: string; overrides: ReadonlyMap<string, string> },
  parts: ArtifactParts,
): Promise<ReadonlyMap<Sha256Hex, string>> {
  const requests = await Promise.all(
    artifacts.map(async (artifact): Promise<DownloadRequest> => {
      const { name, from, sha256 } = artifact;
      const present = parts.objects.lookup(sha256) !== undefined;
      const place = { baseDirectory, override: overrides.get(name) };
      const urls = present ? [] : await addressesOf(artifact, { place, parts });
      return requestFor(name, { from, sha256, urls });
    }),
  );
  const objects = await parts.downloader.downloadAll(requests);
  return new Map(objects.map(({ sha256, path }) => [sha256, path]));
}

async function addressesOf(
  { name, kind, from }: LockedArtifact,
  { place, parts }: { place: ArtifactPlace; parts: ArtifactParts },
): Promise<string[]> {
  const { override, baseDirectory } = place;
  if (override !== undefined) return [addressOf(override, baseDirectory)];
  if (kind !== "npm") return [addressOf(from, baseDirectory)];
  const at = from.lastIndexOf("@");
  const wanted: NpmPackage = { package: from.slice(0, at), version: from.slice(at + 1) };
  return (await askRegistry(name, { wanted, place, parts })).tarballs;
}

/** What the user's registry says of a package version, and which registry that is. */
async function askRegistry(
  name: string,
  { wanted, place, parts }: { wanted: NpmPackage; place: ArtifactPlace; parts: ArtifactParts },
): Promise<{ registry: string; tarballs: string[]; integrity: string | undefined }> {
  const { environment, downloader } = parts;
  const registry = await registryFor(wanted.package, { environment, baseDirectory: place.baseDirectory });
  const hint = supplyHint(name, `${wanted.package}@${wanted.version}`);
  return { registry, ...(await readNpmPackage(wanted, { registry, artifact: name, downloader, hint })) };
}

/** A package of the npm registry, by its integrity; from the store where it has been fetched before. */
async function fetchNpm(
  name: string,
  { source, place, parts }: { source: ArtifactSource & { kind: "npm" }; place: ArtifactPlace; parts: ArtifactParts },
): Promise<StoredObject> {
  const { references, objects, downloader } = parts;
  const sha512 = sha512OfIntegrity(source.integrity);
  if (sha512 === undefined || !isExactPackage(source)) {
    throw new StoreError(
      "artifact",
      `cannot use artifact "${name}": expected name, exact version and sha512 integrity, got ${source.package}@${source.version} ${source.integrity}`,
      { hint: "`npm view NAME@VERSION dist.integrity` prints the integrity" },
    );
  }
  const known = references.get("npm", source.integrity);
  const kept = known === undefined ? undefined : objects.lookup(known);
  if (kept !== undefined && (await digestOfFile(kept.path, "sha512")) === sha512) return kept;
  const from = `${source.package}@${source.version}`;
  const urls = await tarballsOf(name, { source, place, parts });
  const object = await downloader.download({
    kind: "artifact",
    name,
    digest: `SHA-512 ${sha512}`,
    hint: supplyHint(name, from),
    urls,
    identity: { algorithm: "sha512", hex: sha512 },
    maxBytes: MAX_ARTIFACT_BYTES,
  });
  references.set("npm", source.integrity, object.sha256);
  return object;
}

async function tarballsOf(
  name: string,
  { source, place, parts }: { source: ArtifactSource & { kind: "npm" }; place: ArtifactPlace; parts: ArtifactParts },
): Promise<string[]> {
  if (place.override !== undefined) return [addressOf(place.override, place.baseDirectory)];
  const { registry, tarballs, integrity } = await askRegistry(name, { wanted: source, place, parts });
  if (integrity === undefined || integrity === source.integrity) return tarballs;
  const from = `${source.package}@${source.version}`;
  throw new StoreError(
    "digest-mismatch",
    `cannot fetch artifact "${name}": expected ${from} with integrity ${source.integrity}, got ${integrity} from ${registry}`,
    { hint: supplyHint(name, from) },
  );
}

/** Takes a local file into the store. */
async function keepFile(
  path: string,
  { name, baseDirectory, parts }: { name: string; baseDirectory: string; parts: ArtifactParts },
): Promise<StoredObject> {
  const absolute = resolve(baseDirectory, path);
  let sha256: Sha256Hex | undefined;
  let sizeBytes: number;
  try {
    sizeBytes = statSync(absolute).size;
    sha256 = await hashFile(absolute);
  } catch (error) {
    throw unreadable(name, { path, error });
  }
  if (sha256 === undefined) throw unreadable(name, { path, error: undefined });
  const url = pathToFileURL(absolute).href;
  return parts.downloader.download({ ...requestFor(name, { from: path, sha256, urls: [url] }), sizeBytes });
}

function unreadable(name: string, { path, error }: { path: string; error: unknown }): StoreError {
  const got = error === undefined ? "none" : reasonOf(error);
  return new StoreError("not-found", `cannot read artifact "${name}": expected a file at ${path}, got ${got}`, {
    hint: `correct the path, or supply the file with --artifact ${name}=PATH`,
    cause: error,
    details: { path },
  });
}

function requestFor(
  name: string,
  { from, sha256, urls }: { from: string; sha256: Sha256Hex; urls: string[] },
): DownloadRequest {
  return {
    kind: "artifact",
    name,
    digest: `SHA-256 ${sha256}`,
    hint: supplyHint(name, from),
    urls,
    identity: { algorithm: "sha256", hex: sha256 },
    maxBytes: MAX_ARTIFACT_BYTES,
  };
}

function supplyHint(name: string, from: string): string {
  return `fetch ${from} by other means and supply it with --artifact ${name}=PATH; its digest decides`;
}

function declaredSha256(name: string, sha256: string): Sha256Hex {
  if (isSha256Hex(sha256)) return sha256;
  throw new StoreError(
    "artifact",
    `cannot use artifact "${name}": expected a sha256 of 64 lower-case hex digits, got "${sha256}"`,
    { hint: "state the digest that the publisher states" },
  );
}
