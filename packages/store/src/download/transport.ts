import { createReadStream, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isMissing, reasonOf, systemCodeOf } from "../errors.ts";

/** Why an address did not give the bytes; decides whether it is asked again. */
export type TransportFault =
  /** It answered that it has no such thing. */
  | "not-found"
  /** It may well work the next time. */
  | "transient"
  /** Nobody answers there. */
  | "unreachable"
  /** It answers, but will not give it: it wants a password, or forbids. */
  | "refused"
  /** It answered with something else than was asked for. */
  | "content";

/** One address that did not give the bytes. */
export class TransportError extends Error {
  readonly fault: TransportFault;
  readonly url: string;
  /** How long the server asks to be left alone, where it says so. */
  readonly retryAfterSec: number | undefined;

  constructor(
    fault: TransportFault,
    reason: string,
    { url, retryAfterSec, cause }: { url: string; retryAfterSec?: number; cause?: unknown },
  ) {
    super(reason, { cause });
    this.fault = fault;
    this.url = url;
    this.retryAfterSec = retryAfterSec;
  }
}

/** How addresses are opened. */
export interface Transport {
  /** Node's own unless a test or an embedder brings another. Proxies: Node reads `NODE_USE_ENV_PROXY` at its start. */
  fetch: typeof fetch;
  /** No bytes for this long end an attempt. */
  stallTimeoutMs: number;
  signal?: AbortSignal;
}

/** What is asked of an address. */
export interface ResourceRequest {
  /** `http:`, `https:` or `file:`. */
  url: string;
  /** Where to begin: what is before is already here. */
  offsetBytes: number;
  /** The entity tag under which the bytes before the offset came from this address. */
  validator?: string;
  accept?: string;
}

/** An address that answers. */
export interface Resource {
  /** Where its bytes begin: the offset asked for, or 0 where the server sends all of it anyway. */
  startBytes: number;
  /** Size of the whole, where it is known. */
  totalBytes: number | undefined;
  validator: string | undefined;
  /** The bytes; fails with `TransportError`. */
  chunks: AsyncIterable<Uint8Array>;
  /** Lets go of the connection, whether or not all bytes were taken. */
  close(): Promise<void>;
}

/** Whether a download from `url` uses the network. */
export function isRemote(url: string): boolean {
  return !url.startsWith("file:");
}

/**
 * Opens an address at an offset.
 * @throws TransportError
 */
export function openResource(request: ResourceRequest, transport: Transport): Promise<Resource> {
  return isRemote(request.url) ? openHttp(request, transport) : Promise.resolve(openFile(request));
}

function openFile({ url, offsetBytes }: ResourceRequest): Resource {
  try {
    const path = fileURLToPath(url);
    const totalBytes = statSync(path).size;
    const startBytes = Math.min(offsetBytes, totalBytes);
    return {
      startBytes,
      totalBytes,
      validator: undefined,
      chunks: chunksOfFile(path, { startBytes, url }),
      close: () => Promise.resolve(),
    };
  } catch (error) {
    throw fileFailure(error, url);
  }
}

async function* chunksOfFile(
  path: string,
  { startBytes, url }: { startBytes: number; url: string },
): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { start: startBytes, highWaterMark: 1 << 20 });
  } catch (error) {
    throw fileFailure(error, url);
  }
}

function fileFailure(error: unknown, url: string): TransportError {
  return new TransportError(isMissing(error) ? "not-found" : "refused", reasonOf(error), { url, cause: error });
}

/** Answers below 500 that a server gives when it is asked too much or too early. */
const TRANSIENT_STATUS: ReadonlySet<number> = new Set([408, 421, 425, 429]);

async function openHttp(request: ResourceRequest, transport: Transport): Promise<Resource> {
  const { url, offsetBytes, validator } = request;
  const watch = watchForStall(transport);
  const headers: Record<string, string> = {
    "user-agent": "cvm-build",
    // Packages are compressed already; a transparent encoding would only hide their size.
    "accept-encoding": "identity",
  };
  if (request.accept !== undefined) headers["accept"] = request.accept;
  if (offsetBytes > 0) headers["range"] = `bytes=${offsetBytes}-`;
  if (offsetBytes > 0 && validator !== undefined) headers["if-range"] = validator;
  let response: Response;
  try {
    response = await transport.fetch(url, { headers, redirect: "follow", signal: watch.signal });
  } catch (error) {
    watch.stop();
    throw failureOf(error, { url, watch, transport });
  }
  const reader = response.body?.getReader();
  const close = async () => {
    watch.stop();
    // Nothing more is wanted; whether the connection is still there does not matter.
    await reader?.cancel().catch(() => undefined);
  };
  try {
    const place = placeOf(response, request);
    const etag = response.headers.get("etag");
    // A weak tag promises the same meaning, not the same bytes.
    const strong = etag === null || etag.startsWith("W/") ? undefined : etag;
    return { ...place, validator: strong, chunks: chunksOfBody(reader, { url, watch, transport }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Which part of the whole an answer holds. */
function placeOf(
  response: Response,
  { url, offsetBytes }: ResourceRequest,
): { startBytes: number; totalBytes: number | undefined } {
  const { status, headers } = response;
  if (status === 200) return { startBytes: 0, totalBytes: integerOf(headers.get("content-length")) };
  if (status === 206) {
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "") ?? [];
    if (integerOf(start) !== offsetBytes) {
      const got = headers.get("content-range") ?? "no Content-Range";
      throw new TransportError("content", `expected bytes from ${offsetBytes} on, got ${got}`, { url });
    }
    return { startBytes: offsetBytes, totalBytes: integerOf(total) };
  }
  const retryAfterSec = integerOf(headers.get("retry-after"));
  throw new TransportError(faultOfStatus(status), `HTTP ${status}`, {
    url,
    ...(retryAfterSec !== undefined && { retryAfterSec }),
  });
}

function faultOfStatus(status: number): TransportFault {
  if (status === 404 || status === 410) return "not-found";
  if (status === 416) return "content";
  return status >= 500 || TRANSIENT_STATUS.has(status) ? "transient" : "refused";
}

async function* chunksOfBody(
  reader: ReadableStreamDefaultReader<Uint8Array> | undefined,
  { url, watch, transport }: { url: string; watch: StallWatch; transport: Transport },
): AsyncGenerator<Uint8Array> {
  if (reader === undefined) return;
  while (true) {
    const step = await reader.read().catch((error: unknown) => {
      throw failureOf(error, { url, watch, transport });
    });
    if (step.done) return;
    watch.touch();
    yield step.value;
  }
}

/** What a failed request means. The caller's own abort is passed on as it is. */
function failureOf(
  error: unknown,
  { url, watch, transport }: { url: string; watch: StallWatch; transport: Transport },
): unknown {
  if (transport.signal?.aborted === true) return transport.signal.reason;
  if (watch.stalled()) {
    return new TransportError("transient", `no bytes for ${transport.stallTimeoutMs} ms`, { url, cause: error });
  }
  const code = systemCodeOf(error);
  const fault = code !== undefined && NOBODY_THERE.has(code) ? "unreachable" : "transient";
  return new TransportError(fault, reasonOf(error), { url, cause: error });
}

/** Codes that asking again soon will not change. */
const NOBODY_THERE: ReadonlySet<string> = new Set([
  "ENOTFOUND",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);

interface StallWatch {
  signal: AbortSignal;
  touch(): void;
  stop(): void;
  stalled(): boolean;
}

/** A signal that is raised when nothing has come for too long, or when the caller raises its own. */
function watchForStall({ stallTimeoutMs, signal }: Transport): StallWatch {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), stallTimeoutMs);
  return {
    signal: signal === undefined ? controller.signal : AbortSignal.any([controller.signal, signal]),
    touch: () => void timer.refresh(),
    stop: () => clearTimeout(timer),
    stalled: () => controller.signal.aborted,
  };
}

function integerOf(text: string | null | undefined): number | undefined {
  if (text === null || text === undefined || !/^\d{1,15}$/.test(text)) return undefined;
  return Number(text);
}
