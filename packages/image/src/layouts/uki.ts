import { packSegments } from "@cvm-build/fs-writer";
import { assembleRootfs, readStub } from "@cvm-build/rootfs";
import { type Inputs, stubPackageOf } from "../inputs.ts";
import { lintBuild } from "../lint/lint-build.ts";
import { measureBuild, platformsOf } from "../measure-build.ts";
import type { Build } from "../pipeline.ts";
import { writeUki } from "../uki-image.ts";
import type { MadeImage } from "./layout.ts";

/** Makes a UKI whose initrd is the whole root file system. */
export async function makeUki(build: Build, { packages, artifacts, ...inputs }: Inputs): Promise<MadeImage> {
  const { profile, signers, store, surroundings, generation } = build;
  const { workers, report, signal } = surroundings;
  const tools = { cache: store, workers, report };
  const rootfs = await assembleRootfs({ profile, packages, artifacts }, tools);
  const stub = await readStub(stubPackageOf(inputs), { ...tools, kind: "linux" });
  signal?.throwIfAborted();
  const packed = await packSegments(rootfs.tree, {
    cache: store,
    threads: workers,
    compression: { algorithm: profile.output.compressOutput, level: profile.output.compressLevel },
    mtimeClampSec: profile.content.sourceDateEpochSec,
    report,
  });
  signal?.throwIfAborted();
  const { segments } = packed;
  const written = await writeUki({ profile, rootfs, stub, segments, signers, generation, threads: workers });
  const platforms = await platformsOf(profile, surroundings);
  const measurements = await measureBuild(
    { ...written, kernelPackage: written.kernel.package },
    { profile, platforms, threads: workers },
  );
  const lint = lintBuild({ profile, rootfs, uki: written.path, platforms, measurements });
  return { rootfs, stub, packed, written, artifacts, measurements, lint };
}
