import { openFileSource } from "@cvm-build/bytes";
import type { KeptDigests } from "@cvm-build/measure";
import type { Profile } from "@cvm-build/profile";
import { measurementsOf } from "./measure-build.ts";
import type { Measurements } from "./measurements.ts";
import { type Bootable, imageSha256 } from "./platforms/bootable.ts";
import { measureOnPlatforms } from "./platforms/measure.ts";
import { Memo } from "./platforms/memo.ts";
import type { ReadyPlatform } from "./platforms/ready-platform.ts";

/** A kernel with what it is started with, as they were written. */
export interface FinishedKernel {
  /** Paths of kernel and initrd, absolute. */
  path: string;
  initrdPath: string;
  commandLine: string;
}

/**
 * Opens kernel and initrd again and predicts the registers from their own bytes.
 * @param build.platforms those of `startedByKernel`
 */
export async function measureKernel(
  kernel: FinishedKernel,
  build: { profile: Profile; platforms: readonly ReadyPlatform[]; threads: number; kept?: KeptDigests },
): Promise<Measurements> {
  const { profile, platforms, threads, kept } = build;
  using image = openFileSource(kernel.path);
  using initrd = openFileSource(kernel.initrdPath);
  const bootable: Bootable = {
    ...{ image, initrd },
    commandLine: kernel.commandLine,
    companions: [],
    // Nothing that extends a register with a phase starts without systemd-stub.
    phases: [],
    banks: profile.measure.banks,
    memo: new Memo(),
    ...(kept && { kept }),
  };
  const measuring = measureOnPlatforms(bootable, platforms, { threads });
  // Other threads are at work; this one has nothing else to do.
  const sha256 = imageSha256(bootable);
  return measurementsOf(profile, { sha256, platforms: await measuring });
}
