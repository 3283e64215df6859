import type { Profile } from "@cvm-build/profile";
import type { Store } from "@cvm-build/store";
import type { ObtainedLock } from "./locking.ts";
import type { Generation } from "./output.ts";
import type { ImageSigners } from "./signing.ts";
import type { Surroundings } from "./surroundings.ts";

/** A build under way: what it is made from, and where it goes. */
export interface Build {
  profile: Profile;
  obtained: ObtainedLock;
  /** Files that stand in for artefacts, by name. */
  artifacts: ReadonlyMap<string, string>;
  signers: ImageSigners;
  store: Store;
  surroundings: Surroundings;
  generation: Generation;
}
