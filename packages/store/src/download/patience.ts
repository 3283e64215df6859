import { setTimeout as delay } from "node:timers/promises";
import { isRemote, TransportError, type TransportFault } from "./transport.ts";

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

/** Faults that asking again does not change. */
const FINAL: ReadonlySet<TransportFault> = new Set(["not-found", "refused", "content"]);

/** What is tried, and how often. */
export interface PatientWork {
  url: string;
  retry: RetryPolicy;
  signal: AbortSignal | undefined;
  /** How much there is so far: an attempt that brought something does not count against its address. */
  progress: () => number;
}

/**
 * Tries `work` again after what may pass by itself.
 * @throws TransportError of the last attempt; what `work` throws beside that, at once
 */
export async function patiently<Result>(
  work: () => Promise<Result>,
  { url, retry, signal, progress }: PatientWork,
): Promise<Result> {
  let fruitless = 0;
  for (let attempt = 1; ; attempt += 1) {
    const before = progress();
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TransportError) || FINAL.has(error.fault) || !isRemote(url)) throw error;
      fruitless = progress() > before ? 1 : fruitless + 1;
      // Nobody there: one more try, for a server that is just coming back.
      const allowed = error.fault === "unreachable" ? Math.min(2, retry.attempts) : retry.attempts;
      if (fruitless >= allowed || attempt >= MAX_ATTEMPTS) throw error;
      const pauseMs = Math.min(retry.firstDelayMs * 2 ** (fruitless - 1), MAX_DELAY_MS);
      const askedMs = Math.min(error.retryAfterSec ?? 0, MAX_RETRY_AFTER_SEC) * 1000;
      await delay(Math.max(pauseMs, askedMs), undefined, signal === undefined ? {} : { signal });
    }
  }
}
