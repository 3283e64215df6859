import type { Profile } from "@cvm-build/profile";
import type { Rootfs } from "@cvm-build/rootfs";
import type { Measurements } from "../measurements.ts";
import type { ReadyPlatform } from "../platforms/ready-platform.ts";
import type { LintReport } from "./finding.ts";
import { runRules } from "./run-rules.ts";
import { kernelFacts, lintPlatforms } from "./subject-of-image.ts";

/** Says what the host can still influence of a kernel that was just written with its initrd and its command line. */
export function lintKernel(build: {
  profile: Profile;
  rootfs: Pick<Rootfs, "tree">;
  commandLine: string;
  platforms: readonly ReadyPlatform[];
  measurements: Measurements;
}): LintReport {
  const { profile, rootfs, commandLine, platforms, measurements } = build;
  const { id, sha256 } = measurements.image;
  const subject = {
    ...kernelFacts(commandLine),
    tree: rootfs.tree,
    platforms: lintPlatforms(platforms, measurements.platforms),
    profile,
    unknown: {},
  };
  return runRules(subject, { id, sha256 });
}
