import type { ReportProgress } from "@cvm-build/bytes";
import { StoreError } from "../errors.ts";
import type { StoreLayout } from "../objects/layout.ts";
import type { ObjectStore, StoredObject } from "../objects/object-store.ts";
import { type AttemptFailure, summarise, type Wanted, WrongBytes } from "./failure.ts";
import { Meter } from "./meter.ts";
import { mapParallel } from "./parallel.ts";
import { PartialFile, removeAttempts } from "./partial-file.ts";
import { patiently, type RetryPolicy } from "./patience.ts";
import { checkWhole, type DownloadRequest, tooLong, transferFrom } from "./transfer.ts";
import { isRemote, openResource, type Transport, TransportError } from "./transport.ts";

/** Something small to fetch into memory. */
export interface ReadRequest extends Wanted {
  urls: readonly string[];
  maxBytes: number;
  /** The media types that are understood, where the server has a choice. */
  accept?: string;
}

/** What a downloader works with. */
export interface DownloaderOptions {
  layout: StoreLayout;
  objects: ObjectStore;
  transport: Transport;
  offline: boolean;
  retry: RetryPolicy;
  parallelDownloads: number;
  report: ReportProgress | undefined;
}

/**
 * Fetches bytes into the store: from the first address that has them, resumed, retried, hashed while they are written.
 */
export class Downloader {
  readonly #options: DownloaderOptions;
  /** Servers that nobody reaches, and why: asked once, not once for each of a hundred packages. */
  readonly #deadOrigins = new Map<string, string>();
  readonly #underWay = new Map<string, Promise<StoredObject>>();

  constructor(options: DownloaderOptions) {
    this.#options = options;
  }

  /**
   * Fetches several things in parallel; what the store has is not fetched.
   * @throws StoreError as `download` does, for the first that fails
   */
  async downloadAll(requests: readonly DownloadRequest[]): Promise<StoredObject[]> {
    const missing = requests.filter((request) => this.#present(request) === undefined);
    const sizes = [...new Map(missing.map(({ identity, sizeBytes }) => [identity.hex, sizeBytes])).values()];
    const totalBytes = sizes.reduce(
      (sum, size) => (sum === undefined || size === undefined ? undefined : sum + size),
      0,
    );
    const meter = new Meter(this.#options.report, { totalBytes });
    const work = (request: DownloadRequest) => this.download(request, meter);
    return mapParallel(requests, { limit: this.#options.parallelDownloads, work });
  }

  /**
   * Fetches one thing, unless the store has it or another call is fetching it.
   * @throws StoreError `offline`, `unreachable`, `not-found`, `digest-mismatch`, `size-mismatch`, `disk-full`, `aborted`
   */
  download(request: DownloadRequest, meter?: Meter): Promise<StoredObject> {
    const present = this.#present(request);
    if (present !== undefined) return Promise.resolve(present);
    const key = request.identity.hex;
    const running = this.#underWay.get(key);
    if (running !== undefined) return running;
    const started = this.#fetch(request, meter ?? new Meter(this.#options.report, { totalBytes: request.sizeBytes }));
    this.#underWay.set(key, started);
    return started.finally(() => this.#underWay.delete(key));
  }

  /**
   * Fetches something small whose digest is not known beforehand, such as a signed index, into memory.
   * @throws StoreError as `download` does
   */
  async read(request: ReadRequest): Promise<{ bytes: Buffer; url: string }> {
    const { transport, retry } = this.#options;
    return this.#firstOf(request, (url) => {
      const work = { url, retry, signal: transport.signal, progress: () => 0 };
      return patiently(async () => ({ bytes: await readWhole(url, { request, transport }), url }), work);
    });
  }

  #present({ identity, sizeBytes }: DownloadRequest): StoredObject | undefined {
    return identity.algorithm === "sha256" ? this.#options.objects.lookup(identity.hex, sizeBytes) : undefined;
  }

  async #fetch(request: DownloadRequest, meter: Meter): Promise<StoredObject> {
    const { layout, objects } = this.#options;
    const key = request.identity.hex;
    this.#refuseOffline(request);
    const limitBytes = request.sizeBytes ?? request.maxBytes;
    const file = await PartialFile.open(layout, { key, algorithm: request.identity.algorithm, maxBytes: limitBytes });
    try {
      meter.set(request.name, file.sizeBytes);
      const { transport, retry } = this.#options;
      await this.#firstOf(request, (url) => transferFrom(url, { request, file, meter, transport, retry }));
      await file.finish();
      const sha256 = file.sha256();
      const object = objects.commit(file.path, { sha256, sizeBytes: file.sizeBytes });
      removeAttempts(layout, key);
      return object;
    } catch (error) {
      // The next run goes on with half a file, but a full disk is better off without it.
      const full = error instanceof StoreError && error.code === "disk-full";
      await (full ? file.discard() : file.keep());
      throw error;
    }
  }

  /** The result for the first address that has one. */
  async #firstOf<Result>(
    request: Wanted & { urls: readonly string[] },
    work: (url: string) => Promise<Result>,
  ): Promise<Result> {
    const urls = this.#refuseOffline(request);
    const failures: AttemptFailure[] = [];
    for (const url of urls) {
      const origin = originOf(url);
      const dead = this.#deadOrigins.get(origin);
      if (dead !== undefined) {
        failures.push(new TransportError("unreachable", dead, { url }));
        continue;
      }
      try {
        return await work(url);
      } catch (error) {
        if (!(error instanceof TransportError || error instanceof WrongBytes)) throw this.#aborted(error, request);
        if (error instanceof TransportError && error.fault === "unreachable") {
          this.#deadOrigins.set(origin, error.message);
        }
        failures.push(error);
      }
    }
    throw summarise(failures, request);
  }

  #refuseOffline({ urls, kind, name, digest, hint }: Wanted & { urls: readonly string[] }): readonly string[] {
    if (!this.#options.offline) return urls;
    const local = urls.filter((url) => !isRemote(url));
    if (local.length > 0) return local;
    throw new StoreError(
      "offline",
      `cannot fetch ${kind} "${name}": expected it in the store, since the network may not be used, got none`,
      {
        hint: hint ?? "run once without --offline, or fill the store from a `cvm-build vendor` folder",
        details: { ...(digest !== undefined && { digest }), urls },
      },
    );
  }

  #aborted(error: unknown, { kind, name }: Wanted): unknown {
    const { signal } = this.#options.transport;
    if (signal?.aborted !== true) return error;
    return new StoreError("aborted", `cannot fetch ${kind} "${name}": expected to finish, got a request to stop`, {
      hint: "run again: the download goes on where it was",
      cause: error,
    });
  }
}

async function readWhole(
  url: string,
  { request: { maxBytes, accept }, transport }: { request: ReadRequest; transport: Transport },
): Promise<Buffer> {
  const resource = await openResource({ url, offsetBytes: 0, ...(accept !== undefined && { accept }) }, transport);
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of resource.chunks) {
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) throw tooLong(url, maxBytes);
      chunks.push(chunk);
    }
  } finally {
    await resource.close();
  }
  checkWhole(sizeBytes, { url, totalBytes: resource.totalBytes });
  return Buffer.concat(chunks);
}

/** Where a server is that several addresses share. */
function originOf(url: string): string {
  return (isRemote(url) ? URL.parse(url)?.origin : undefined) ?? url;
}
