import { openFileSource } from "@cvm-build/bytes";
import type { Profile } from "@cvm-build/profile";
import type { FileTree } from "@cvm-build/fs-writer";
import { readUki } from "@cvm-build/uki";
import type { Measurements } from "../measurements.ts";
import type { ReadyPlatform } from "../platforms/ready-platform.ts";
import type { LintReport } from "./finding.ts";
import { runRules } from "./run-rules.ts";
import { lintPlatforms, subjectOfUki, treeOfUki } from "./subject-of-image.ts";

/** A build whose image is written and measured. */
export interface LintedBuild {
  profile: Profile;
  /** The system that runs in the end. */
  tree: FileTree;
  /** What leads to it, where it does not live in the initrd itself. */
  initrd?: FileTree;
  /** Path of the UKI. */
  uki: string;
  platforms: readonly ReadyPlatform[];
  measurements: Measurements;
}

/** Says what the host can still influence of an image that was just built. */
export function lintBuild({ profile, tree, initrd, uki, platforms, measurements }: LintedBuild): LintReport {
  using image = openFileSource(uki);
  const read = readUki(image);
  // Initrds from files add to the tree that was built.
  const hasMore = profile.uki.sections.some(({ name }) => name === ".initrd");
  const unpacked = hasMore ? treeOfUki(read) : { tree: initrd ?? tree };
  const known = "tree" in unpacked ? unpacked.tree : undefined;
  const { id, sha256 } = measurements.image;
  const subject = {
    ...subjectOfUki(read),
    ...(initrd ? { tree, ...(known && { initrd: known }) } : known && { tree: known }),
    platforms: lintPlatforms(platforms, measurements.platforms),
    profile,
    unknown: "problem" in unpacked ? { tree: unpacked.problem } : {},
  };
  return runRules(subject, { id, sha256 });
}
