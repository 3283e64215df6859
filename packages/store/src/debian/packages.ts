import { basename } from "node:path";
import type { Sha256Hex } from "@cvm-build/bytes";
import type { Lock, LockedPackage, LockedRepository } from "@cvm-build/resolver";
import type { AttemptFailure } from "../download/failure.ts";
import type { Downloader } from "../download/downloader.ts";
import type { DownloadRequest } from "../download/transfer.ts";
import { TransportError } from "../download/transport.ts";
import { StoreError } from "../errors.ts";
import { addressOf, joinAddress, type MirrorList, type MirrorSettings } from "./mirrors.ts";
import { isPlainPath } from "./release-file.ts";

/** The part of a lock that says which packages. */
export type LockedPackages = Pick<Lock, "packages" | "repositories" | "distribution">;

/** How to look for them. */
export interface PackageSearch extends MirrorSettings {
  /** What the paths of bare packages are relative to. */
  baseDirectory: string;
  /** What the archive has now in place of a package, where the caller knows. */
  replacedBy?: (name: string) => string | undefined;
}

/**
 * Fetches the packages of a lock, from whichever mirror has them; those that no mirror has any more, from the timestamped
 * archive at the date of the lock's repository.
 * @returns where each is in the store, by digest
 * @throws StoreError `package-gone`, and as downloads do
 */
export async function fetchLockedPackages(
  lock: LockedPackages,
  search: PackageSearch,
  { downloader, mirrors, now }: { downloader: Downloader; mirrors: MirrorList; now: () => Date },
): Promise<ReadonlyMap<Sha256Hex, string>> {
  const requests = lock.packages.map((entry): DownloadRequest => {
    const repository = lock.repositories.find(({ suite }) => suite === entry.repository);
    return {
      kind: "package",
      name: `${entry.name}=${entry.version}`,
      digest: `SHA-256 ${entry.sha256}`,
      urls:
        repository === undefined
          ? [addressOf(entry.repository, search.baseDirectory)]
          : addressesOf(entry, { repository, search, mirrors, now }),
      identity: { algorithm: "sha256", hex: entry.sha256 },
      sizeBytes: entry.sizeBytes,
      maxBytes: entry.sizeBytes,
      ...(repository !== undefined && {
        explain: (error: StoreError, failures: readonly AttemptFailure[]) =>
          isGone(failures) ? gone(entry, { error, failures, search }) : error,
      }),
    };
  });
  const objects = await downloader.downloadAll(requests);
  return new Map(objects.map(({ sha256, path }) => [sha256, path]));
}

function addressesOf(
  entry: LockedPackage,
  {
    repository,
    search,
    mirrors,
    now,
  }: { repository: LockedRepository; search: PackageSearch; mirrors: MirrorList; now: () => Date },
): string[] {
  if (!isPlainPath(entry.path)) {
    throw new StoreError("malformed", `cannot fetch package "${entry.name}": expected a path, got "${entry.path}"`);
  }
  const { archive } = repository;
  const bases = mirrors.forPackages(archive, search);
  const moments = momentsOf(repository, now).map((stamp) => mirrors.timestamped(archive, stamp));
  return [...new Set([...bases, ...moments])].map((base) => joinAddress(base, entry.path));
}

/** How long after its date an archive is sure to have been recorded: the timestamped archive records four times a day. */
const RECORDED_AFTER_MS = 6 * 3_600_000;

/**
 * When to look in the timestamped archive: at the first recording after the repository's date, and at the last before it
 * (a package that left within hours is only there).
 */
function momentsOf({ date }: LockedRepository, now: () => Date): string[] {
  const at = Date.parse(date);
  if (Number.isNaN(at)) return [];
  const after = Math.min(at + RECORDED_AFTER_MS, now().getTime());
  return [...new Set([Math.max(at, after), at].map(stampOf))];
}

/** A moment as addresses of the timestamped archive have it: `20260528T084923Z`. */
function stampOf(milliseconds: number): string {
  return new Date(milliseconds)
    .toISOString()
    .replace(/\.\d{3}Z$/, "Z")
    .replace(/[-:]/g, "");
}

/** Whether somebody who serves the archive says that the package has left it, and nobody sent anything else. */
function isGone(failures: readonly AttemptFailure[]): boolean {
  const faults = failures.map((failure) => (failure instanceof TransportError ? failure.fault : "wrong"));
  return faults.includes("not-found") && !faults.includes("wrong");
}

function gone(
  entry: LockedPackage,
  { error, failures, search }: { error: StoreError; failures: readonly AttemptFailure[]; search: PackageSearch },
): StoreError {
  const { name, version } = entry;
  const replacement = search.replacedBy?.(name);
  const hosts = [...new Set(failures.map(({ url, message }) => `${message} from ${hostOf(url)}`))].join(", ");
  return new StoreError(
    "package-gone",
    `cannot fetch package "${name}=${version}": expected ${basename(entry.path)} on a mirror or in the timestamped archive, got ${hosts}`,
    {
      hint: `${replacement === undefined ? "" : `the archive now has ${name} ${replacement}: `}run \`cvm-build lock --update\` to lock what it has now, or set Mirror= to an archive that keeps old versions`,
      cause: error,
      details: {
        ...error.details,
        package: name,
        version,
        ...(replacement !== undefined && { replacedBy: replacement }),
      },
    },
  );
}

function hostOf(url: string): string {
  return URL.parse(url)?.host || url;
}
