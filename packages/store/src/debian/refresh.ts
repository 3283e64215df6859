import { existsSync } from "node:fs";
import { FormatError, sha256Hex } from "@cvm-build/bytes";
import type { LockedRepository } from "@cvm-build/resolver";
import { mapParallel } from "../download/parallel.ts";
import { StoreError } from "../errors.ts";
import type { References } from "../objects/references.ts";
import { type ClearSignatureCheck, verifyClearSigned, type VerifiedText } from "./clear-signature.ts";
import { readKeyrings, type TrustedKey } from "./keyrings.ts";
import { joinAddress, type MirrorList } from "./mirrors.ts";
import { type IndexParts, readPackagesIndex } from "./packages-index.ts";
import { parseReleaseFile, type ReleaseFile } from "./release-file.ts";
import {
  archiveOf,
  checkOffer,
  checkRelease,
  CLOCK_SLACK_MS,
  iso,
  type PackagesIndex,
  type RepositoryRequest,
  type RepositorySnapshot,
  suitesOf,
} from "./repository.ts";

/** Larger than any InRelease file (sid's is 0.2 MB). */
const MAX_RELEASE_BYTES = 16 << 20;

/** What a refresh needs of the store. */
export interface RefreshParts extends IndexParts {
  references: References;
  mirrors: MirrorList;
  /** Puts a small file into the store. */
  keepObject: (bytes: Buffer) => void;
  hostKeyrings: string;
  now: () => Date;
  offline: boolean;
}

/** An InRelease file whose signature and dates are good, and where it came from. */
interface VerifiedRelease {
  release: ReleaseFile;
  repository: LockedRepository;
  base: string;
}

/**
 * Reads what the archive offers: InRelease → signature → dates → Packages, each by the digest that the one before states.
 * @throws StoreError `signature`, `keyring`, `expired`, `not-yet-valid`, `wrong-repository`, `malformed`, and as
 * downloads do
 */
export async function refreshRepositories(
  request: RepositoryRequest,
  parts: RefreshParts,
): Promise<RepositorySnapshot> {
  const keys = new KeySource(request.keyrings, parts.hostKeyrings);
  const read = await mapParallel(suitesOf(request), {
    limit: 4,
    work: (suite) => refreshSuite(suite, { request, keys, parts }),
  });
  return {
    repositories: read.map(({ repository }) => repository),
    indexes: read.flatMap(({ indexes }) => indexes),
  };
}

async function refreshSuite(
  suite: string,
  { request, keys, parts }: { request: RepositoryRequest; keys: KeySource; parts: RefreshParts },
): Promise<{ repository: LockedRepository; indexes: PackagesIndex[] }> {
  const { components, architecture } = request;
  const bases = parts.mirrors.forMetadata(archiveOf(suite), request);
  const { release, repository, base } = await readRelease(suite, { request, bases, keys, parts });
  checkOffer(release, { suite, components, architecture });
  const order = [base, ...bases.filter((other) => other !== base)];
  const indexes: PackagesIndex[] = [];
  for (const component of components) {
    const place = { suite, component, architecture, bases: order };
    indexes.push({ repository, component, packages: await readPackagesIndex(release, place, parts) });
  }
  return { repository, indexes };
}

/**
 * The release file of the first base that has a good one. A mirror that is down or behind is passed over; one whose
 * signature is bad is not: that deserves to be seen.
 */
async function readRelease(
  suite: string,
  {
    request,
    bases,
    keys,
    parts,
  }: { request: RepositoryRequest; bases: string[]; keys: KeySource; parts: RefreshParts },
): Promise<VerifiedRelease> {
  const check = (bytes: Buffer, base: string) => verifyRelease(bytes, { suite, base, request, keys, parts });
  const subject = JSON.stringify([suite, request.snapshot ?? null, bases]);
  if (parts.offline) {
    const kept = readKept(subject, parts);
    if (kept !== undefined) return check(kept, bases[0] ?? "");
  }
  let passedOver: unknown;
  for (const base of bases) {
    try {
      const url = joinAddress(base, `dists/${suite}/InRelease`);
      const { bytes } = await parts.downloader.read({
        kind: "release file",
        name: url,
        urls: [url],
        maxBytes: MAX_RELEASE_BYTES,
        hint: "check the network, name another mirror with Mirror=, or use --offline to go on with what was read last",
      });
      const verified = await check(bytes, base);
      parts.keepObject(bytes);
      parts.references.set("inrelease", subject, verified.repository.inReleaseSha256);
      return verified;
    } catch (error) {
      if (!(error instanceof StoreError) || !PASSED_OVER.has(error.code)) throw error;
      passedOver ??= error;
    }
  }
  throw passedOver;
}

const PASSED_OVER: ReadonlySet<string> = new Set(["unreachable", "not-found", "expired"]);

function readKept(subject: string, { references, objects }: RefreshParts): Buffer | undefined {
  const sha256 = references.get("inrelease", subject);
  return sha256 === undefined || objects.lookup(sha256) === undefined ? undefined : objects.read(sha256);
}

async function verifyRelease(
  bytes: Buffer,
  options: { suite: string; base: string; request: RepositoryRequest; keys: KeySource; parts: RefreshParts },
): Promise<VerifiedRelease> {
  const { suite, base, request, keys, parts } = options;
  const source = `${base}/dists/${suite}`;
  const now = parts.now();
  const { text, signedBy } = await keys.verify(bytes.toString("utf8"), {
    name: `${source}/InRelease`,
    date: new Date(now.getTime() + CLOCK_SLACK_MS),
    allowExpiredKeys: request.snapshot !== undefined,
  });
  const release = readText(text, source);
  checkRelease(release, { suite, source, now, snapshot: request.snapshot });
  const repository: LockedRepository = {
    suite,
    components: request.components,
    archive: archiveOf(suite),
    inReleaseSha256: sha256Hex(bytes),
    date: iso(release.date),
    signedBy,
  };
  return { release, repository, base };
}

function readText(text: string, source: string): ReleaseFile {
  try {
    return parseReleaseFile(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new StoreError(
      "malformed",
      `cannot use repository "${source}": expected a Release file, got: ${error.message}`,
      {
        cause: error,
      },
    );
  }
}

/** The keys to trust: those that the request names and, only where none of these signed, the host's own Debian keyrings. */
class KeySource {
  readonly #named: Promise<TrustedKey[]>;
  readonly #hostKeyrings: string;
  #host: Promise<TrustedKey[]> | undefined;

  constructor(keyrings: readonly string[], hostKeyrings: string) {
    this.#named = readKeyrings(keyrings);
    // Awaited by every suite; a failure before that is not an unhandled one.
    this.#named.catch(() => undefined);
    this.#hostKeyrings = hostKeyrings;
  }

  async verify(message: string, options: Omit<ClearSignatureCheck, "trusted">): Promise<VerifiedText> {
    try {
      return await verifyClearSigned(message, { ...options, trusted: await this.#named });
    } catch (error) {
      const host = await this.#ofHost();
      if (host.length === 0 || !(error instanceof StoreError) || error.code !== "signature") throw error;
      return verifyClearSigned(message, { ...options, trusted: [...(await this.#named), ...host] });
    }
  }

  #ofHost(): Promise<TrustedKey[]> {
    // They can only add: where they cannot be read, that none of the named keys signed is the error to tell.
    this.#host ??= existsSync(this.#hostKeyrings)
      ? readKeyrings([this.#hostKeyrings]).catch(() => [])
      : Promise.resolve([]);
    return this.#host;
  }
}
