import { existsSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import { findTools, probeHost, secureBootFirmwarePlaces } from "@cvm-build/vm";
import { loadSelection } from "./selection.ts";
import { LAYOUTS } from "./layouts/table.ts";
import type { Manifest } from "./manifest.ts";
import { variableStoreBeside } from "./variable-store-file.ts";
import { OutputDirectory } from "./output.ts";
import type { ProfileSelection, Surroundings } from "./surroundings.ts";

/** The virtual machine that an image is booted in. */
export interface MachineOptions {
  memoryMiB: number;
  cpus: number;
  /** Path of an OVMF image, where not the distribution's. */
  firmware?: string;
}

/** An image by its output directory or UKI, or by the profiles that built it. */
export type ImageChoice = { image: string } | { selection: ProfileSelection };

/** A built image on this machine. */
export interface BuiltImage {
  output: OutputDirectory;
  /** Path of the image's file: of a UKI, or of what its format has in its place. */
  path: string;
}

/**
 * Finds an image that was built before.
 * @throws CvmError `no-image`
 */
export function findImage(choice: ImageChoice, surroundings: Surroundings): BuiltImage {
  const built =
    "image" in choice
      ? imageAt(resolve(surroundings.invocationDirectory, choice.image))
      : imageIn(outputOf(choice.selection, surroundings));
  if (existsSync(built.path)) return built;
  throw new CvmError("no-image", `cannot find an image: expected "${built.path}", got nothing of that name`, {
    hint: "build it first: cvm-build --profile NAME",
  });
}

function outputOf(selection: ProfileSelection, surroundings: Surroundings): OutputDirectory {
  const { output } = loadSelection(selection, surroundings).profile;
  return new OutputDirectory(output.outputDirectory, output.imageId);
}

/** An image by its output directory's path, or by that of its file. */
function imageAt(path: string): BuiltImage {
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() ?? path.endsWith(LAYOUTS.uki.suffix());
  const directory = isFile ? dirname(path) : path;
  const output = new OutputDirectory(dirname(directory), basename(directory));
  return isFile ? { output, path } : imageIn(output);
}

/** The manifest says which of the files is the image; where there is none, somebody else may have put a UKI there. */
function imageIn(output: OutputDirectory): BuiltImage {
  const hasManifest = output.read("manifest.json") !== undefined;
  const { file } = hasManifest ? output.readJson<Manifest>("manifest.json").image : {};
  return { output, path: join(output.path, file ?? `${output.imageId}${LAYOUTS.uki.suffix()}`) };
}

/**
 * What of a machine all boots share: the programs, how this host can run them, and the size asked for. An image that was
 * measured with a variable store is booted with it, by firmware that enforces what is enrolled there.
 */
export async function machineFor(
  { memoryMiB, cpus, firmware }: MachineOptions,
  { uki, surroundings }: { uki: string; surroundings: Surroundings },
) {
  const { environment, invocationDirectory, signal } = surroundings;
  const varsPath = variableStoreBeside(uki);
  const codePath = firmware === undefined ? undefined : resolve(invocationDirectory, firmware);
  const tools = await findTools({
    searchPath: environment["PATH"] ?? "",
    ...(codePath !== undefined && {
      overrides: { firmware: varsPath ? { codePath, varsPath, smm: true } : { codePath } },
    }),
    ...(varsPath !== undefined && { firmwarePlaces: secureBootFirmwarePlaces(varsPath) }),
  });
  const temporaryDirectory = environment["TMPDIR"] ?? "/tmp";
  const host = await probeHost(tools, { temporaryDirectory });
  return { tools, host, memoryMiB, cpus, temporaryDirectory, ...(signal && { signal }) };
}
