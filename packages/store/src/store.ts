import { type ReportProgress, type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import type { LockedArtifact } from "@cvm-build/resolver";
import {
  type ArtifactPlace,
  type DeclaredArtifact,
  fetchLockedArtifacts,
  resolveDeclaredArtifact,
} from "./artifacts.ts";
import { APT_DIRECTORY } from "./debian/apt-sources.ts";
import { HOST_KEYRINGS } from "./debian/keyrings.ts";
import { DEBIAN_ARCHIVES, MirrorList, type PublicArchives } from "./debian/mirrors.ts";
import { fetchLockedPackages, type LockedPackages, type PackageSearch } from "./debian/packages.ts";
import { refreshRepositories } from "./debian/refresh.ts";
import type { RepositoryRequest, RepositorySnapshot } from "./debian/repository.ts";
import { Downloader } from "./download/downloader.ts";
import type { RetryPolicy } from "./download/patience.ts";
import { mapParallel } from "./download/parallel.ts";
import { DerivedObjects, type DerivedObject, type WrittenObject } from "./objects/derived-objects.ts";
import { writeTemporary } from "./objects/durable.ts";
import { layoutOf, makeFolder, objectPathOf, type StoreLayout } from "./objects/layout.ts";
import { ObjectStore, type StoredObject } from "./objects/object-store.ts";
import { References } from "./objects/references.ts";
import { type PruneOptions, type PruneReport, pruneStore } from "./prune.ts";
import { type VerifyReport, verifyStore } from "./verify-all.ts";

/** What a store is opened with. */
export interface StoreOptions {
  /** Where it is, absolute; made if it is missing. */
  directory: string;
  now: () => Date;
  /** Use no network: what is not here is an error, at once. */
  offline: boolean;
  /** Variables that name mirrors and registries (`npm_config_registry`, `HOME`); nothing else is read from them. */
  environment: Readonly<Record<string, string | undefined>>;
  /** Node's own unless given. For proxies, Node itself reads `NODE_USE_ENV_PROXY=1` with `HTTP_PROXY` at its start. */
  fetch?: typeof fetch;
  report?: ReportProgress;
  /** 8 unless given. */
  parallelDownloads?: number;
  signal?: AbortSignal;
  /** The host's apt configuration, for its mirrors: `/etc/apt` unless given. */
  aptDirectory?: string;
  /** The host's keyrings: `/usr/share/keyrings` unless given. */
  hostKeyrings?: string;
  /** The distribution's public archives; a closed network may have its own. */
  archives?: PublicArchives;
  /** 4 attempts, the first pause 0.25 s, unless given. */
  retry?: RetryPolicy;
  /** Bytes must come at least this often: every 60 s unless given. */
  stallTimeoutMs?: number;
}

const DEFAULT_PARALLEL_DOWNLOADS = 8;
const DEFAULT_RETRY: RetryPolicy = { attempts: 4, firstDelayMs: 250 };
const DEFAULT_STALL_TIMEOUT_MS = 60_000;

/**
 * Verified bytes, by digest, kept between builds. All methods that fetch throw `StoreError`. Several processes may use
 * one folder at once, and any may be killed at any instant: a file gets its name only when it is whole, verified and
 * flushed.
 */
export class Store {
  readonly #options: StoreOptions;
  readonly #layout: StoreLayout;
  readonly #objects: ObjectStore;
  readonly #derived: DerivedObjects;
  readonly #references: References;
  readonly #downloader: Downloader;
  readonly #mirrors: MirrorList;

  /** @throws StoreError `disk-full`, `store-unusable` */
  constructor(options: StoreOptions) {
    const { directory, now } = options;
    this.#options = options;
    this.#layout = layoutOf(directory);
    for (const folder of Object.values(this.#layout)) makeFolder(folder as string);
    this.#objects = new ObjectStore(this.#layout, { now });
    this.#derived = new DerivedObjects(this.#layout, { now });
    this.#references = new References(this.#layout);
    this.#mirrors = new MirrorList({
      aptDirectory: options.aptDirectory ?? APT_DIRECTORY,
      archives: options.archives ?? DEBIAN_ARCHIVES,
    });
    this.#downloader = new Downloader({
      layout: this.#layout,
      objects: this.#objects,
      transport: {
        fetch: options.fetch ?? fetch,
        stallTimeoutMs: options.stallTimeoutMs ?? DEFAULT_STALL_TIMEOUT_MS,
        ...(options.signal !== undefined && { signal: options.signal }),
      },
      offline: options.offline,
      retry: options.retry ?? DEFAULT_RETRY,
      parallelDownloads: options.parallelDownloads ?? DEFAULT_PARALLEL_DOWNLOADS,
      report: options.report,
    });
  }

  /**
   * Reads what a distribution's archive offers now (offline: offered last), verified from its signature down.
   * @throws StoreError `signature`, `keyring`, `expired`, `not-yet-valid`, `wrong-repository`, `malformed`, `offline`, …
   */
  refresh(request: RepositoryRequest): Promise<RepositorySnapshot> {
    return refreshRepositories(request, {
      downloader: this.#downloader,
      objects: this.#objects,
      derived: this.#derived,
      references: this.#references,
      mirrors: this.#mirrors,
      keepObject: (bytes) => void this.put(bytes),
      hostKeyrings: this.#options.hostKeyrings ?? HOST_KEYRINGS,
      now: this.#options.now,
      offline: this.#options.offline,
    });
  }

  /**
   * Makes sure that the store has the packages of a lock.
   * @returns where each is, by digest; see `verify` before its bytes are used
   * @throws StoreError `package-gone`, `digest-mismatch`, `size-mismatch`, `offline`, `unreachable`, …
   */
  fetchPackages(lock: LockedPackages, search: PackageSearch): Promise<ReadonlyMap<Sha256Hex, string>> {
    const { now } = this.#options;
    return fetchLockedPackages(lock, search, { downloader: this.#downloader, mirrors: this.#mirrors, now });
  }

  /**
   * Fetches a declared artefact and says what to lock.
   * @throws StoreError `artifact`, `digest-mismatch`, `not-found`, `offline`, …
   */
  resolveArtifact(declaration: DeclaredArtifact, place: ArtifactPlace): Promise<LockedArtifact> {
    return resolveDeclaredArtifact(declaration, place, this.#artifactParts());
  }

  /**
   * Makes sure that the store has the artefacts of a lock.
   * @param options.overrides files that stand in for an artefact, by its name; their digest must be the locked one
   * @returns where each is, by digest; see `verify` before its bytes are used
   * @throws StoreError `digest-mismatch`, `not-found`, `offline`, …
   */
  fetchArtifacts(
    artifacts: readonly LockedArtifact[],
    options: { baseDirectory: string; overrides: ReadonlyMap<string, string> },
  ): Promise<ReadonlyMap<Sha256Hex, string>> {
    return fetchLockedArtifacts(artifacts, options, this.#artifactParts());
  }

  /** Where the object of that digest is, or would be. */
  objectPath(sha256: Sha256Hex): string {
    return objectPathOf(this.#layout, sha256);
  }

  /**
   * The object of that digest, its size compared, its bytes not.
   * @returns undefined where the store has none
   */
  find(sha256: Sha256Hex, sizeBytes?: number): StoredObject | undefined {
    return this.#objects.lookup(sha256, sizeBytes);
  }

  /**
   * The bytes of an object, compared with its digest.
   * @throws StoreError `not-found`, `damaged`
   */
  read(sha256: Sha256Hex): Buffer {
    return this.#objects.read(sha256);
  }

  /**
   * Puts bytes into the store.
   * @throws StoreError `disk-full`, `store-unusable`
   */
  put(bytes: Uint8Array): StoredObject {
    const sha256 = sha256Hex(bytes);
    const temporaryFolder = this.#layout.temporary;
    const temporaryPath = writeTemporary(bytes, { temporaryFolder, prefix: "object.", flush: true });
    return this.#objects.commit(temporaryPath, { sha256, sizeBytes: bytes.byteLength });
  }

  /**
   * Hashes objects whose bytes are about to be used. Damaged ones are moved away, so that fetching again brings them.
   * @returns those that are damaged or missing
   */
  async verify(digests: Iterable<Sha256Hex>): Promise<Sha256Hex[]> {
    const unique = [...new Set(digests)];
    const good = await mapParallel(unique, { limit: 4, work: (sha256) => this.#objects.verify(sha256) });
    return unique.filter((_, index) => good[index] !== true);
  }

  /** Moves an object away whose bytes its reader found to be others than its digest says. */
  quarantine(sha256: Sha256Hex): void {
    this.#objects.quarantine(sha256);
  }

  /** The derived object of that kind and key, or undefined where there is none or its size is wrong. */
  lookup(kind: string, key: Sha256Hex): DerivedObject | undefined {
    return this.#derived.lookup(kind, key);
  }

  /** A fresh path for the producer of a derived object to write to. */
  reserve(): string {
    return this.#derived.reserve();
  }

  /** Moves a derived object into place. Safe when two builds commit the same key. */
  commit(kind: string, key: Sha256Hex, written: WrittenObject): DerivedObject {
    return this.#derived.commit(kind, key, written);
  }

  /** Forgets a derived object that turned out to be torn. */
  discard(kind: string, key: Sha256Hex): void {
    this.#derived.discard(kind, key);
  }

  /** Removes what was used longest ago until no more than `maxBytes` are left, and what crashes left behind. */
  prune(options: PruneOptions): PruneReport {
    return pruneStore(this.#layout, { ...options, now: this.#options.now() });
  }

  /** Hashes everything and clears away what is damaged. */
  verifyAll(): Promise<VerifyReport> {
    return verifyStore(this.#layout, { objects: this.#objects, derived: this.#derived });
  }

  #artifactParts() {
    return {
      downloader: this.#downloader,
      objects: this.#objects,
      references: this.#references,
      environment: this.#options.environment,
    };
  }
}

/**
 * Opens the store in a folder.
 * @throws StoreError `disk-full`, `store-unusable`
 */
export function openStore(options: StoreOptions): Store {
  return new Store(options);
}
