import type { Sha256Hex } from "@cvm-build/bytes";
import { type Wanted, WrongBytes } from "./failure.ts";
import type { Meter } from "./meter.ts";
import type { PartialFile } from "./partial-file.ts";
import { patiently, type RetryPolicy } from "./patience.ts";
import { openResource, type Resource, type Transport, TransportError } from "./transport.ts";

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

/** One download under way. */
export interface Transfer {
  request: DownloadRequest;
  file: PartialFile;
  meter: Meter;
  transport: Transport;
  retry: RetryPolicy;
}

/**
 * Fetches from one address until the file is whole and right. What was there before (of an earlier run, or from another
 * address) gets one chance: where the whole turns out wrong, this address is not to blame until it has sent all of it.
 * @throws TransportError, WrongBytes; StoreError `disk-full`
 */
export async function transferFrom(url: string, transfer: Transfer): Promise<void> {
  const { file, retry, transport } = transfer;
  while (true) {
    const inherited = file.sizeBytes > 0;
    // The entity tag under which this address has begun to send.
    const begun: { validator?: string } = {};
    try {
      const work = { url, retry, signal: transport.signal, progress: () => file.sizeBytes };
      return await patiently(() => attempt(url, { transfer, begun }), work);
    } catch (error) {
      const wrong = wrongBytesOf(error, transfer);
      if (wrong === undefined) throw error;
      await file.reset();
      if (!inherited) throw wrong;
    }
  }
}

async function attempt(
  url: string,
  { transfer, begun }: { transfer: Transfer; begun: { validator?: string } },
): Promise<void> {
  const { request, file, transport } = transfer;
  // A file that is already whole (cut off between its last byte and its name) needs no server.
  if (file.sizeBytes !== request.sizeBytes) {
    // No If-Range for what another address or run began: the digest decides, so that any mirror may go on with it.
    const resource = await openResource({ url, offsetBytes: file.sizeBytes, ...begun }, transport);
    try {
      checkStatedSize(resource, { url, request });
      delete begun.validator;
      if (resource.validator !== undefined) begun.validator = resource.validator;
      if (resource.startBytes < file.sizeBytes) await file.reset();
      await receive(resource, { url, transfer });
    } finally {
      await resource.close();
    }
  }
  const got = file.digest();
  if (got === request.identity.hex) return;
  const algorithm = request.identity.algorithm.replace("sha", "SHA-");
  const expected = `${algorithm} ${request.identity.hex}`;
  throw new WrongBytes("digest-mismatch", { url, expected, got: `${algorithm} ${got}` });
}

async function receive(resource: Resource, { url, transfer }: { url: string; transfer: Transfer }): Promise<void> {
  const { request, file, meter } = transfer;
  const limitBytes = request.sizeBytes ?? request.maxBytes;
  for await (const chunk of resource.chunks) {
    if (file.sizeBytes + chunk.length > limitBytes) throw tooLong(url, limitBytes);
    await file.append(chunk);
    meter.set(request.name, file.sizeBytes);
  }
  checkWhole(file.sizeBytes, { url, totalBytes: request.sizeBytes ?? resource.totalBytes });
}

function checkStatedSize({ totalBytes }: Resource, { url, request }: { url: string; request: DownloadRequest }): void {
  const { sizeBytes, maxBytes } = request;
  if (totalBytes === undefined) return;
  if (sizeBytes === undefined ? totalBytes <= maxBytes : totalBytes === sizeBytes) return;
  const expected = sizeBytes === undefined ? `at most ${maxBytes} bytes` : `${sizeBytes} bytes`;
  throw new WrongBytes("size-mismatch", { url, expected, got: `${totalBytes} bytes` });
}

/**
 * Checks that an answer did not end before its time. One without a stated size cannot be told from a whole one.
 * @throws TransportError `transient`
 */
export function checkWhole(
  sizeBytes: number,
  { url, totalBytes }: { url: string; totalBytes: number | undefined },
): void {
  if (totalBytes === undefined || sizeBytes === totalBytes) return;
  throw new TransportError("transient", `cut off after ${sizeBytes} of ${totalBytes} bytes`, { url });
}

/** What stops a server that sends without end. */
export function tooLong(url: string, limitBytes: number): WrongBytes {
  return new WrongBytes("size-mismatch", { url, expected: `at most ${limitBytes} bytes`, got: "more" });
}

/** What an attempt failed with, if that says that the bytes here cannot be completed to the right ones. */
function wrongBytesOf(error: unknown, { request, file }: Transfer): WrongBytes | undefined {
  if (error instanceof WrongBytes) return error;
  if (!(error instanceof TransportError) || error.fault !== "content") return undefined;
  const expected = `${request.sizeBytes ?? "more"} bytes`;
  return new WrongBytes("size-mismatch", { url: error.url, expected, got: `${file.sizeBytes} bytes` });
}
