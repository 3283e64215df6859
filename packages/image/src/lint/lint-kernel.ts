import type { Profile } from "@cvm-build/profile";
import type { FileTree } from "@cvm-build/fs-writer";
import type { Measurements } from "../measurements.ts";
import type { ReadyPlatform } from "../platforms/ready-platform.ts";
import type { LintReport } from "./finding.ts";
import { runRules } from "./run-rules.ts";
import { kernelFacts, lintPlatforms } from "./subject-of-image.ts";

/** Says what the host can still influence of a kernel that was just written with its initrd and its command line. */
export function lintKernel(build: {
  profile: Profile;
  /** The system that runs in the end. */
  tree: FileTree;
  /** What leads to it, where it does not live in the initrd itself. */
  initrd?: FileTree;
  commandLine: string;
  platforms: readonly ReadyPlatform[];
  measurements: Measurements;
}): LintReport {
  const { profile, tree, initrd, commandLine, platforms, measurements } = build;
  const { id, sha256 } = measurements.image;
  const subject = {
    ...kernelFacts(commandLine),
    tree,
    ...(initrd && { initrd }),
    platforms: lintPlatforms(platforms, measurements.platforms),
    profile,
    unknown: {},
  };
  return runRules(subject, { id, sha256 });
}
