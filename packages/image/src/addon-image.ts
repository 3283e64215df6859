import { bytesSource, CvmError } from "@cvm-build/bytes";
import { readContent } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import type { Stub } from "@cvm-build/rootfs";
import { assembleAddon, signPe } from "@cvm-build/uki";
import { fileSections } from "./file-sections.ts";
import { imageFileName } from "./layouts/table.ts";
import type { WrittenImage } from "./manifest.ts";
import type { Generation } from "./output.ts";
import type { ImageSigners } from "./signing.ts";

/** An add-on as it was written. */
export interface WrittenAddon extends WrittenImage {
  /** File name in the output directory. */
  name: string;
}

/** Writes an add-on: what it adds to a UKI's command line, and sections from files; signed as the profile asks. */
export async function writeAddon(build: {
  profile: Profile;
  stub: Stub;
  signers: ImageSigners;
  generation: Generation;
}): Promise<WrittenAddon> {
  const { profile, stub, signers, generation } = build;
  refuseTree(profile);
  const name = imageFileName(profile);
  const path = generation.path(name);
  const kernelCommandLine = profile.content.kernelCommandLine.join(" ");
  const cmdline = { name: ".cmdline" as const, content: [bytesSource(Buffer.from(kernelCommandLine))] };
  assembleAddon({
    stub: bytesSource(readContent(stub.content)),
    sections: [...(kernelCommandLine === "" ? [] : [cmdline]), ...fileSections(profile.uki)],
    output: path,
  });
  if (signers.secureBoot) await signPe({ image: path, output: path, ...signers.secureBoot });
  return { name, outputs: [name], kernelCommandLine };
}

/** An add-on has sections and no file system: what would be left out without a word is refused. */
function refuseTree({ output, content, services, artifacts }: Profile): void {
  const parts = {
    "Packages=": content.packages,
    "ExtraTrees=": content.extraTrees,
    "services/": services,
    "artifacts/": artifacts,
  };
  const [part] = Object.entries(parts).find(([, values]) => values.length > 0) ?? [];
  if (part === undefined) return;
  throw new CvmError("setting", `cannot build add-on "${output.imageId}": expected sections alone, got ${part}`, {
    hint: "KernelCommandLine= and UKI.Sections= say what is in an add-on; build files into an initrd for .initrd:FILE",
  });
}
