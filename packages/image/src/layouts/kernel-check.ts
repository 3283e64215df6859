import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type FileTree, readContent } from "@cvm-build/fs-writer";
import {
  checkKernel,
  moduleNamesIn,
  neededKernelFeatures,
  parseKernelConfig,
  parseKernelRequirements,
  type Rootfs,
} from "@cvm-build/rootfs";
import type { Build } from "../build-under-way.ts";

/**
 * Holds the kernel's configuration against what the image's format needs of it. A kernel that comes without its configuration
 * is taken as it is.
 * @param options.initrd what the kernel starts with, for its modules; `none` where it starts without
 * @throws CvmError `kernel-config` naming the symbol that is missing
 */
export function checkKernelOf(
  { profile, surroundings }: Build,
  { kernel, initrd }: { kernel: Rootfs["kernel"]; initrd: FileTree | "none" },
): void {
  if (!kernel?.config) return;
  const requirements = readFileSync(join(surroundings.configsDirectory, "kernel-requirements.json"), "utf8");
  checkKernel({
    release: kernel.release,
    config: parseKernelConfig(readContent(kernel.config)),
    what: `an image of Format=${profile.output.format}`,
    features: neededKernelFeatures(profile),
    requirements: parseKernelRequirements(requirements),
    modules: initrd === "none" ? "none" : moduleNamesIn(initrd),
  });
}
