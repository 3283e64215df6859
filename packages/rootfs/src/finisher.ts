import type { DerivedCache, FileTree } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";

/** What a finisher may know beside the tree. */
export interface FinisherContext {
  profile: Profile;
  cache: DerivedCache;
}

/** What a finisher did, for the manifest. */
export interface FinisherEffect {
  /** One sentence for people: `42 accounts, 58 groups`. */
  summary: string;
  /** Paths it wrote or removed, sorted. */
  paths: string[];
}

/** One declarative replacement for what maintainer scripts do. Changes the tree, and nothing else. */
export interface Finisher {
  name: string;
  /** The maintainer-script work it stands for, such as `ldconfig` or `update-ca-certificates`. */
  replaces: string[];
  finish(tree: FileTree, context: FinisherContext): FinisherEffect | Promise<FinisherEffect>;
}
