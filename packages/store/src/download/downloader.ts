import { setTimeout as delay } from "node:timers/promises";
import type { ReportProgress, Sha256Hex } from "@cvm-build/bytes";
import { StoreError } from "../errors.ts";
import type { StoreLayout } from "../objects/layout.ts";
import type { ObjectStore, StoredObject } from "../objects/object-store.ts";
import { type AttemptFailure, summarise, type Wanted, WrongBytes } from "./failure.ts";
import { Meter } from "./meter.ts";
import { mapParallel } from "./parallel.ts";
import { PartialFile, removeAttempts } from "./partial-file.ts";
import { isRemote, openResource, type Resource, type Transport, TransportError } from "./transport.ts";

/** Something to fetch into the store. */
export interface DownloadRequest extends Wanted {
  /** Where it may be, best first: `http:`, `https:`, `file:`. */
  urls: readonly string[];
  /** What identifies it. */
  identity: { algorithm: "sha256"; hex: Sha256Hex } | { algorithm: "sha512"; hex: string };
  /** Its exact size, where it is known. */
  sizeBytes?: number;
  /** How large it may be. */
  maxBytes: number;
}

/** How patient downloads are. */
export interface RetryPolicy {
  /** Attempts in a row that brought nothing before an address is given up. */
  attempts: number;
  /** Pause after the first failure; it doubles with every further one. */
  firstDelayMs: number;
}

const MAX_DELAY_MS = 8_000;
const MAX_RETRY_AFTER_SEC = 30;
/** Attempts at one address that may bring a little each: a server that cuts every connection is used up to here. */
const MAX_ATTEMPTS = 64;

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
    const sizes = missing.map(({ sizeBytes }) => sizeBytes);
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
  async read(
    request: Wanted & { urls: readonly string[]; maxBytes: number; accept?: string },
  ): Promise<{ bytes: Buffer; url: string }> {
    const { maxBytes, accept } = request;
    return this.#firstOf(request, async (url) => {
      return this.#patiently(url, { progress: () => 0 }, async () => {
        const opened = { url, offsetBytes: 0, ...(accept !== undefined && { accept }) };
        const resource = await openResource(opened, this.#options.transport);
        const chunks: Uint8Array[] = [];
        let sizeBytes = 0;
        for await (const chunk of resource.chunks) {
          sizeBytes += chunk.length;
          if (sizeBytes > maxBytes) throw tooLong(url, maxBytes);
          chunks.push(chunk);
        }
        checkWhole(resource, { url, sizeBytes });
        return { bytes: Buffer.concat(chunks), url };
      });
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
      await this.#firstOf(request, (url) => this.#transferPatiently(url, { request, file, meter }));
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

  /** Fetches from one address until the file is whole and right; bytes of earlier attempts get one chance. */
  async #transferPatiently(url: string, state: TransferState): Promise<void> {
    const { file } = state;
    const progress = () => file.sizeBytes;
    while (true) {
      const { inherited } = file;
      try {
        const validator: { value?: string } = {};
        return await this.#patiently(url, { progress }, () => this.#transfer(url, { ...state, validator }));
      } catch (error) {
        const wrong = wrongBytesOf(error, state);
        if (wrong === undefined) throw error;
        await file.reset();
        if (!inherited) throw wrong;
      }
    }
  }

  async #transfer(url: string, { request, file, meter, validator }: TransferState & { validator: { value?: string } }) {
    const limitBytes = request.sizeBytes ?? request.maxBytes;
    // A file that is already whole (cut off between its last byte and its name) needs no server.
    if (file.sizeBytes !== request.sizeBytes) {
      const resource = await openResource(
        { url, offsetBytes: file.sizeBytes, ...(validator.value !== undefined && { validator: validator.value }) },
        this.#options.transport,
      );
      // No If-Range for what another address or run began: the digest decides, so that any mirror may go on with it.
      if (resource.validator === undefined) delete validator.value;
      else validator.value = resource.validator;
      if (resource.startBytes < file.sizeBytes) await file.reset();
      const { totalBytes } = resource;
      if (totalBytes !== undefined && (totalBytes > limitBytes || totalBytes !== (request.sizeBytes ?? totalBytes))) {
        await closeResource(resource);
        const expected = request.sizeBytes === undefined ? `at most ${limitBytes} bytes` : `${limitBytes} bytes`;
        throw new WrongBytes("size-mismatch", { url, expected, got: `${totalBytes} bytes` });
      }
      for await (const chunk of resource.chunks) {
        if (file.sizeBytes + chunk.length > limitBytes) throw tooLong(url, limitBytes);
        await file.append(chunk);
        meter.set(request.name, file.sizeBytes);
      }
      checkWhole({ ...resource, totalBytes: request.sizeBytes ?? totalBytes }, { url, sizeBytes: file.sizeBytes });
    }
    const got = file.digest();
    if (got === request.identity.hex) return;
    const algorithm = request.identity.algorithm.replace("sha", "SHA-");
    throw new WrongBytes("digest-mismatch", {
      url,
      expected: `${algorithm} ${request.identity.hex}`,
      got: `${algorithm} ${got}`,
    });
  }

  /** Tries again after what may pass by itself. Attempts that brought bytes do not count against the address. */
  async #patiently<Result>(
    url: string,
    { progress }: { progress: () => number },
    work: () => Promise<Result>,
  ): Promise<Result> {
    const { attempts, firstDelayMs } = this.#options.retry;
    const { signal } = this.#options.transport;
    let fruitless = 0;
    for (let attempt = 1; ; attempt += 1) {
      const before = progress();
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof TransportError)) throw error;
        if (error.fault === "not-found" || error.fault === "content") throw error;
        fruitless = progress() > before ? 1 : fruitless + 1;
        // Nobody there: one more try for a server that is just coming back.
        const allowed = error.fault === "unreachable" ? Math.min(2, attempts) : attempts;
        if (fruitless >= allowed || attempt >= MAX_ATTEMPTS || !isRemote(url)) throw error;
        const pauseMs = Math.min(firstDelayMs * 2 ** (fruitless - 1), MAX_DELAY_MS);
        const askedMs = Math.min(error.retryAfterSec ?? 0, MAX_RETRY_AFTER_SEC) * 1000;
        await delay(Math.max(pauseMs, askedMs), undefined, signal === undefined ? {} : { signal });
      }
    }
  }
}

interface TransferState {
  request: DownloadRequest;
  file: PartialFile;
  meter: Meter;
}

/** What an attempt failed with, if that says that the bytes here cannot be completed to the right ones. */
function wrongBytesOf(error: unknown, { request, file }: TransferState): WrongBytes | undefined {
  if (error instanceof WrongBytes) return error;
  if (!(error instanceof TransportError) || error.fault !== "content") return undefined;
  const expected = `${request.sizeBytes ?? "more"} bytes`;
  return new WrongBytes("size-mismatch", { url: error.url, expected, got: `${file.sizeBytes} bytes` });
}

/** An answer that ended before its stated size was cut off; one without a stated size cannot be told from a whole one. */
function checkWhole({ totalBytes }: Resource, { url, sizeBytes }: { url: string; sizeBytes: number }): void {
  if (totalBytes === undefined || sizeBytes === totalBytes) return;
  throw new TransportError("transient", `cut off after ${sizeBytes} of ${totalBytes} bytes`, { url });
}

function tooLong(url: string, limitBytes: number): WrongBytes {
  return new WrongBytes("size-mismatch", { url, expected: `at most ${limitBytes} bytes`, got: "more" });
}

async function closeResource({ chunks }: Resource): Promise<void> {
  await chunks[Symbol.asyncIterator]().return?.(undefined);
}

function originOf(url: string): string {
  return isRemote(url) ? new URL(url).origin : url;
}
