import type { PruneReport, VerifyReport } from "@cvm-build/store";
import { storeOf } from "./build.ts";
import type { Surroundings } from "./surroundings.ts";

/** Bounds the store's size: what was used longest ago goes first. */
export function pruneCache(options: { maxBytes: number }, surroundings: Surroundings): PruneReport {
  return storeOf(surroundings).prune(options);
}

/** Compares everything in the store with its digest. Damaged objects are set aside. */
export function verifyCache(surroundings: Surroundings): Promise<VerifyReport> {
  return storeOf(surroundings).verifyAll();
}
