import { openStore, type Store } from "@cvm-build/store";
import type { Surroundings } from "./surroundings.ts";

/** Opens the store that a run uses. */
export function storeOf(surroundings: Surroundings): Store {
  return openStore({
    directory: surroundings.cacheDirectory,
    now: surroundings.now,
    offline: surroundings.offline,
    environment: surroundings.environment,
    report: surroundings.report,
    ...(surroundings.signal && { signal: surroundings.signal }),
  });
}
