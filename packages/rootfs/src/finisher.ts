import type { DerivedCache, FileTree } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import type { ExtraTree } from "./extra-trees.ts";
import type { MaintainerCommand } from "./scripts/maintainer-command.ts";

/** What a finisher may know beside the tree. */
export interface FinisherContext {
  profile: Profile;
  cache: DerivedCache;
}

/** What a finisher that stands for maintainer scripts may know beside that. */
export interface PackageFinisherContext extends FinisherContext {
  /** What the scripts of the image's packages would run on a first installation, packages by name, in order. */
  commands: readonly MaintainerCommand[];
  /** `ExtraTrees=` in the profile's order, archives unpacked. */
  extraTrees: readonly ExtraTree[];
}

/** What a finisher did, for the manifest. */
export interface FinisherEffect {
  /** One sentence for people: `42 accounts, 58 groups`. */
  summary: string;
  /** Paths it wrote or removed, sorted. */
  paths: string[];
}

/** One declarative replacement for what maintainer scripts do. Changes the tree, and nothing else. */
export interface Finisher<Context extends FinisherContext = FinisherContext> {
  name: string;
  /** The maintainer-script work it stands for, such as `ldconfig` or `update-ca-certificates`. */
  replaces: string[];
  finish(tree: FileTree, context: Context): FinisherEffect | Promise<FinisherEffect>;
}

/** A finisher that reads what maintainer scripts ask for. */
export type PackageFinisher = Finisher<PackageFinisherContext>;
