import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { bytesSource, CvmError, openFileSource } from "@cvm-build/bytes";
import { prepareDigestThreads } from "@cvm-build/measure";
import type { Profile } from "@cvm-build/profile";
import { effectiveSections, readUki } from "@cvm-build/uki";
import { assembleSigned } from "./assemble-signed.ts";
import { bootFileNames } from "./boot-file-names.ts";
import { hasSameSystem, systemKey } from "./build-key.ts";
import { companionNames } from "./companions.ts";
import { TABLE_SUFFIX } from "./layouts/disk-names.ts";
import { layoutOf } from "./layouts/table.ts";
import { suppliedArtifacts } from "./local-inputs.ts";
import { withArguments } from "./kernel-arguments.ts";
import { keptDigests } from "./kept-digests.ts";
import { obtainStub } from "./kept-stub.ts";
import { findLock, type LockPolicy, lockMissing, type ObtainedLock } from "./locking.ts";
import type { Manifest } from "./manifest.ts";
import { type FinishedUki, measureBuild } from "./measure-build.ts";
import { type FinishedKernel, measureKernel } from "./measure-kernel.ts";
import type { Measurements } from "./measurements.ts";
import { OutputDirectory } from "./output.ts";
import type { Build } from "./build-under-way.ts";
import { startedByKernel } from "./platforms/by-kernel.ts";
import { type PlatformChoice, selectPlatforms } from "./platforms/select.ts";
import { type Variations, varyPlatform } from "./platforms/vary.ts";
import type { resolveAnew } from "./resolving.ts";
import { loadSelection } from "./selection.ts";
import { openImageSigners } from "./signing.ts";
import { storeOf } from "./store.ts";
import type { ProfileSelection, Surroundings } from "./surroundings.ts";
import { planUki } from "./uki-plan.ts";

/** A profile whose registers are asked for. */
export interface PredictRequest extends ProfileSelection {
  lockPolicy: LockPolicy;
  /** Files that stand in for artefacts, by name, relative to where the command was typed. */
  artifacts: ReadonlyMap<string, string>;
  /** In place of the profile's own, where any is named. */
  platforms: string[];
  /** Path of a variable store of OVMF's, in place of the profile's own. */
  variableStore?: string;
  /** Path of firmware, in place of the platforms' own. */
  firmware?: string;
  variations?: Variations;
}

/** What registers would be. */
export interface ForesightReport {
  measurements: Measurements;
  /** `last-build`: initrd and kernel are those that the last build left. `anew`: all was made for it. Neither is kept. */
  made: "last-build" | "anew";
}

/**
 * Predicts the registers of the image that a profile would build, and leaves the one that is there alone. Where only the
 * command line, sections, signatures or platforms differ from the last build, its initrd and kernel are used.
 */
export async function predictImage(request: PredictRequest, surroundings: Surroundings): Promise<ForesightReport> {
  prepareDigestThreads(surroundings.workers);
  const { profile } = loadSelection(request, surroundings);
  const { start } = layoutOf(profile);
  if (start === undefined || start === "memory") throw notBooted(profile);
  const output = new OutputDirectory(profile.output.outputDirectory, profile.output.imageId);
  const artifacts = suppliedArtifacts(request.artifacts, { profile, surroundings });
  const found = findLock(profile, { surroundings, output, policy: request.lockPolicy, supplied: artifacts });
  if (!found && request.lockPolicy.locked) throw lockMissing(profile, surroundings);
  const store = storeOf(surroundings);
  const obtained = found ?? (await obtainAnew(profile, { store, surroundings, artifacts }));
  const isKnown = !isOnEsp(profile) && hasSameSystem(output, systemKey(profile, obtained));
  await using signers = await openImageSigners(profile, surroundings);
  using generation = output.startGeneration();
  const build = { profile, obtained, artifacts, signers, store, surroundings, generation };
  const finished =
    start === "kernel"
      ? await finishedKernel(build, isKnown ? output.path : undefined)
      : await (isKnown ? assembleAgain(build, output) : buildAnew(build));
  const choice = choiceOf(request, { profile, surroundings });
  const selected = await selectPlatforms(choice, { ...surroundings, cache: store });
  const started = "commandLine" in finished ? selected.map(startedByKernel) : selected;
  const platforms = started.flatMap((platform) => varyPlatform(platform, request.variations ?? {}));
  const measuring = { profile, platforms, threads: surroundings.workers, kept: keptDigests(store) };
  const measurements = await ("commandLine" in finished
    ? measureKernel(finished, measuring)
    : measureBuild(finished, measuring));
  return { measurements, made: isKnown ? "last-build" : "anew" };
}

/**
 * A kernel with its initrd, of the last build or of a new one, and the command line as it would be.
 * @param last folder of the last build, where it has these
 */
async function finishedKernel(build: Build, last: string | undefined): Promise<FinishedKernel> {
  const { imageId } = build.profile.output;
  if (last === undefined) await (await import("./pipeline.ts")).writeSoundImage(build);
  const folder = last ?? build.generation.directory;
  const names = bootFileNames(imageId);
  return {
    path: join(folder, names.kernel),
    initrdPath: join(folder, names.initrd),
    commandLine: build.profile.content.kernelCommandLine.join(" "),
  };
}

/** A lock that is not written. It is loaded for this alone: mostly there is one. */
async function obtainAnew(...request: Parameters<typeof resolveAnew>): Promise<ObtainedLock> {
  const { resolveAnew } = await import("./resolving.ts");
  return resolveAnew(...request);
}

/** The whole pipeline, short of publishing. It is loaded for this alone: mostly initrd and kernel are there. */
async function buildAnew(build: Build): Promise<FinishedUki> {
  const { writeSoundImage } = await import("./pipeline.ts");
  await writeSoundImage(build);
  const manifest = JSON.parse(readFileSync(build.generation.path("manifest.json"), "utf8")) as Manifest;
  const partitionTable = tableIn(build.generation.directory, manifest);
  return { ...finishedUki(build, manifest), ...(partitionTable && { partitionTable }) };
}

/** A UKI of the last build's kernel and initrd. */
async function assembleAgain(build: Build, output: OutputDirectory): Promise<FinishedUki> {
  const { profile, signers, generation, surroundings } = build;
  const manifest = output.readJson<Manifest>("manifest.json");
  const finished = finishedUki(build, manifest);
  const { names, phases } = finished;
  using files = new DisposableStack();
  const initrd = files.use(openFileSource(join(output.path, names.initrd)));
  const last = files.use(openFileSource(join(output.path, names.uki)));
  const plan = planUki({
    ...{ initrd, signers },
    profile: withArguments(profile, await argumentsOf(manifest)),
    osRelease: effectiveSections(readUki(last)).get(".osrel")?.content ?? bytesSource(Buffer.alloc(0)),
    kernel: { image: readFileSync(join(output.path, names.kernel)), release: manifest.kernel?.release ?? "" },
    stub: await obtainStub(build),
  });
  const { banks } = profile.measure;
  await assembleSigned(finished.path, { plan, signers, banks, phases: [...phases], threads: surroundings.workers });
  for (const [name, { path }] of companionNames(profile.uki.companions, names.uki)) {
    generation.write(name, readFileSync(path));
  }
  const table = tableIn(output.path, manifest);
  if (!table) return finished;
  const { tableWithUki } = await import("./layouts/boot-disk.ts");
  const folder = generation.directory;
  return { ...finished, partitionTable: await tableWithUki({ profile, uki: finished.path, folder, last: table }) };
}

/** What the kernel is told of the file system on its disk. */
async function argumentsOf({ image, fileSystem }: Manifest): Promise<string[]> {
  if (image.format !== "disk" || !fileSystem) return [];
  const { diskArguments } = await import("./layouts/disk-arguments.ts");
  return diskArguments(fileSystem);
}

/** First sectors of the disk that an image has, where it has one. */
function tableIn(folder: string, { image, outputs }: Manifest): Buffer | undefined {
  const name = `${image.id}${TABLE_SUFFIX}`;
  return outputs.some((output) => output.name === name) ? readFileSync(join(folder, name)) : undefined;
}

/** Whether files beside the UKI, of which the last build left none by themselves, decide how large its partition is. */
function isOnEsp({ output, initOverlay }: Profile): boolean {
  return output.format === "initoverlay" && initOverlay.carrier === "esp";
}

function finishedUki({ profile, generation }: Build, manifest: Manifest): FinishedUki {
  const id = profile.output.imageId;
  return {
    path: generation.path(`${id}.efi`),
    names: { uki: `${id}.efi`, ...bootFileNames(id) },
    kernelPackage: manifest.kernel?.package ?? "",
    phases: profile.measure.phases ?? manifest.phases,
    registerUse: manifest.registerUse,
  };
}

function choiceOf(
  request: PredictRequest,
  { profile, surroundings }: { profile: Profile; surroundings: Surroundings },
): PlatformChoice {
  const absolute = (path: string | undefined) =>
    path === undefined ? undefined : resolve(surroundings.invocationDirectory, path);
  return {
    names: request.platforms.length > 0 ? request.platforms : profile.measure.platforms,
    variableStore: absolute(request.variableStore) ?? profile.measure.secureBootVariables,
    firmware: absolute(request.firmware),
  };
}

function notBooted({ output }: Profile): CvmError {
  return new CvmError(
    "usage",
    `cannot predict registers of "${output.imageId}": expected an image that firmware or QEMU starts, got Format=${output.format}`,
    {
      hint:
        output.format === "addon"
          ? "an add-on is not booted by itself: it is among Companions= of the image that it is for"
          : "build it: measurements.json then has the registers of what boots",
    },
  );
}
