import { writeBootFiles } from "../boot-files.ts";
import type { Inputs } from "../inputs.ts";
import { lintKernel } from "../lint/lint-kernel.ts";
import { platformsOf } from "../measure-build.ts";
import { measureKernel } from "../measure-kernel.ts";
import type { Build } from "../build-under-way.ts";
import { startedByKernel } from "../platforms/by-kernel.ts";
import { packInitrd } from "./initrd.ts";
import { checkKernelOf } from "./kernel-check.ts";
import { formatLaunchScript, LAUNCH_WAYS } from "./launch-script.ts";
import type { MadeImage } from "./made-image.ts";
import { assembleTree } from "./tree.ts";

/** Makes a kernel, an initrd with the whole root file system, a command line, and a script for each way to start them. */
export async function makeDirect(build: Build, inputs: Inputs): Promise<MadeImage> {
  const { profile, surroundings, generation } = build;
  const { imageId } = profile.output;
  const platforms = (await platformsOf(profile, surroundings)).map(startedByKernel);
  const rootfs = await assembleTree(build, inputs);
  checkKernelOf(build, { kernel: rootfs.kernel, initrd: rootfs.tree });
  const packed = await packInitrd(rootfs.tree, build);
  const { names, kernelCommandLine } = writeBootFiles({ profile, rootfs, segments: packed.segments, generation });
  const scripts = Object.values(LAUNCH_WAYS).map((way) => {
    const name = `${imageId}${way.suffix}`;
    generation.write(name, formatLaunchScript(way, { names, commandLine: kernelCommandLine }));
    return name;
  });
  const measurements = await measureKernel(
    {
      path: generation.path(names.kernel),
      initrdPath: generation.path(names.initrd),
      commandLine: kernelCommandLine,
    },
    { profile, platforms, threads: surroundings.workers },
  );
  return {
    ...{ rootfs, packed, measurements, artifacts: inputs.artifacts },
    written: { outputs: [...Object.values(names), ...scripts], kernelCommandLine },
    lint: lintKernel({ profile, tree: rootfs.tree, commandLine: kernelCommandLine, platforms, measurements }),
  };
}
