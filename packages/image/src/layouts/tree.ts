import { encodeMtree, writeArchive, writeDirectory, type XattrLoss } from "@cvm-build/fs-writer";
import { assembleRootfs, type Rootfs } from "@cvm-build/rootfs";
import type { Inputs } from "../inputs.ts";
import { measurementsOf } from "../measure-build.ts";
import type { Build } from "../build-under-way.ts";
import { rootfsTools } from "./initrd.ts";
import type { MadeImage } from "./made-image.ts";
import { imageFileName } from "./table.ts";

/** Makes an archive of the tree alone: what `Format=` says, compressed as the profile asks. */
export async function makeArchive(build: Build, inputs: Inputs): Promise<MadeImage> {
  const { profile, generation } = build;
  const { output, content } = profile;
  const name = imageFileName(profile);
  const rootfs = await assembleTree(build, inputs);
  const { losses, ...written } = await writeArchive(rootfs.tree, {
    format: output.format === "tar" ? "tar" : "cpio",
    output: generation.path(name),
    compression: { algorithm: output.compressOutput, level: output.compressLevel },
    mtimeClampSec: content.sourceDateEpochSec,
  });
  generation.written(name, written);
  return madeTree(build, { rootfs, losses, inputs });
}

/**
 * Makes a folder of the tree, as far as whoever builds may, and the specification that says of every path what an image would
 * have there. The specification is the image's file.
 */
export async function makeDirectory(build: Build, inputs: Inputs): Promise<MadeImage> {
  const { profile, generation } = build;
  const mtimeClampSec = profile.content.sourceDateEpochSec;
  const folder = `${profile.output.imageId}.root`;
  const rootfs = await assembleTree(build, inputs);
  const { files } = writeDirectory(rootfs.tree, { output: generation.path(folder), mtimeClampSec });
  for (const [path, digest] of files) generation.written(`${folder}${path}`, digest);
  generation.write(imageFileName(profile), [...encodeMtree(rootfs.tree, { mtimeClampSec })].join(""));
  return madeTree(build, { rootfs, losses: [], inputs });
}

/** Lays a profile's inputs out as its tree, until somebody stops it. */
export async function assembleTree(build: Build, { packages, artifacts }: Inputs): Promise<Rootfs> {
  const { profile, surroundings } = build;
  const rootfs = await assembleRootfs({ profile, packages, artifacts }, rootfsTools(build));
  surroundings.signal?.throwIfAborted();
  return rootfs;
}

function madeTree(
  { profile, generation }: Build,
  { rootfs, losses, inputs }: { rootfs: Rootfs; losses: XattrLoss[]; inputs: Inputs },
): MadeImage {
  const name = imageFileName(profile);
  return {
    rootfs,
    packed: { segments: [], losses },
    written: { outputs: [name], kernelCommandLine: profile.content.kernelCommandLine.join(" ") },
    artifacts: inputs.artifacts,
    measurements: measurementsOf(profile, { ...generation.digest(name), platforms: [] }),
  };
}
