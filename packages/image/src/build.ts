import { canonicalJson, CvmError, FormatError } from "@cvm-build/bytes";
import { packSegments } from "@cvm-build/fs-writer";
import { type LoadedProfile, loadProfile, type Profile } from "@cvm-build/profile";
import { assembleRootfs, readStub } from "@cvm-build/rootfs";
import { openStore, type Store } from "@cvm-build/store";
import { isUpToDate, rememberBuild } from "./build-key.ts";
import { fetchInputs, type Inputs } from "./inputs.ts";
import { LOCK_FILE, type LockPolicy, obtainLock, type ObtainedLock } from "./locking.ts";
import { type Manifest, manifestOf } from "./manifest.ts";
import { measureBuild, type Measurements } from "./measurements.ts";
import { explainWriteFailure, type Generation, OutputDirectory } from "./output.ts";
import type { ProfileSelection, Surroundings } from "./surroundings.ts";
import { writeUki } from "./uki-image.ts";

/** What to build, and from what. */
export interface BuildRequest extends ProfileSelection {
  lockPolicy: LockPolicy;
  /** Files that stand in for artefacts, by name. Their digests must be the locked ones. */
  artifacts: ReadonlyMap<string, string>;
  /** Build even where the image is up to date. */
  force: boolean;
}

/** What a build leaves, as the summary on screen and `--json` show it. */
export interface BuildReport {
  /** `build/<image-id>`, absolute. */
  directory: string;
  /** Nothing had changed: the image stands as an earlier run left it. */
  upToDate: boolean;
  lock: ObtainedLock["origin"];
  manifest: Manifest;
  measurements: Measurements;
}

/** A build under way. */
interface Build {
  profile: Profile;
  obtained: ObtainedLock;
  /** Files that stand in for artefacts, by name. */
  artifacts: ReadonlyMap<string, string>;
  store: Store;
  surroundings: Surroundings;
  generation: Generation;
}

/** Opens the store that a run uses. */
export function storeOf(surroundings: Surroundings): Store {
  return openStore({
    directory: surroundings.cacheDirectory,
    now: surroundings.now,
    offline: surroundings.offline,
    environment: surroundings.environment,
    report: surroundings.report,
    ...(surroundings.signal && { signal: surroundings.signal }),
  });
}

/** The merged profile of a selection. */
export function loadSelection(selection: ProfileSelection, surroundings: Surroundings): LoadedProfile {
  return loadProfile({
    directory: surroundings.directory,
    profiles: selection.profiles,
    settings: selection.settings,
    ignoreUnsupported: selection.ignoreUnsupported,
    hostArchitecture: surroundings.hostArchitecture,
    invocationDirectory: surroundings.invocationDirectory,
    environment: surroundings.environment,
  });
}

/**
 * Builds an image: profile → lock → verified bytes → file tree → initrd → UKI → read back → measurements.
 * The output directory holds the previous image until the new one is whole.
 */
export async function buildImage(request: BuildRequest, surroundings: Surroundings): Promise<BuildReport> {
  const { profile } = loadSelection(request, surroundings);
  const { artifacts, lockPolicy: policy } = request;
  const store = storeOf(surroundings);
  const output = new OutputDirectory(profile.output.outputDirectory, profile.output.imageId);
  const obtained = await obtainLock(profile, { store, surroundings, artifacts, output, policy });
  checkTools(obtained);

  const upToDate = !request.force && isUpToDate({ profile, obtained, output });
  if (!upToDate) {
    using generation = output.startGeneration();
    await writeSoundImage({ profile, obtained, artifacts, store, surroundings, generation }).catch((error: unknown) => {
      throw explainWriteFailure(error);
    });
    surroundings.signal?.throwIfAborted();
    const files = generation.digests();
    generation.publish();
    rememberBuild({ profile, obtained, output }, files);
  }
  return {
    directory: output.path,
    upToDate,
    lock: obtained.origin,
    manifest: output.readJson<Manifest>("manifest.json"),
    measurements: output.readJson<Measurements>("measurements.json"),
  };
}

/**
 * Writes an image; once more where the store turns out to be damaged. Bytes are compared with their digests when they
 * are read, so that a build that reads little checks little; what is damaged is then cleared away, and had again.
 */
async function writeSoundImage(build: Build): Promise<void> {
  const { obtained, store } = build;
  try {
    await writeImage(build, await fetchInputs({ ...build, lock: obtained.lock }));
  } catch (error) {
    if (!isAboutBytes(error) || (await store.verifyAll()).damaged.length === 0) throw error;
    await writeImage(build, await fetchInputs({ ...build, lock: obtained.lock }));
  }
}

/** Whether bytes that were not what they should be are at the bottom of an error. */
function isAboutBytes(error: unknown): boolean {
  return error instanceof FormatError || (error instanceof Error && isAboutBytes(error.cause));
}

async function writeImage(
  { profile, obtained, store, surroundings, generation }: Build,
  inputs: Inputs,
): Promise<void> {
  const { directory, workers, report } = surroundings;
  const tools = { cache: store, workers, report };
  const { packages, artifacts } = inputs;
  const rootfs = await assembleRootfs({ profile, packages, artifacts }, tools);
  const stub = await readStub(inputs.stub, tools);
  const packed = await packSegments(rootfs.tree, {
    cache: store,
    threads: workers,
    compression: { algorithm: profile.output.compressOutput, level: profile.output.compressLevel },
    mtimeClampSec: profile.content.sourceDateEpochSec,
    report,
  });
  const uki = writeUki({ profile, rootfs, stub, segments: packed.segments, generation });
  const measurements = await measureBuild({ profile, rootfs, uki, generation, threads: workers });
  const manifest = manifestOf({ profile, obtained, rootfs, stub, packed, uki, artifacts, directory, generation });
  generation.write("measurements.json", canonicalJson(measurements));
  generation.write("manifest.json", canonicalJson(manifest));
  generation.write(LOCK_FILE, obtained.text);
}

/**
 * Compressor bytes are part of an image: another zstd gives other bytes.
 * @throws CvmError `tool-version`
 */
function checkTools({ lock }: ObtainedLock): void {
  const { zstd } = process.versions;
  if (lock.tools.zstd === zstd) return;
  throw new CvmError(
    "tool-version",
    `cannot use lock: expected zstd ${lock.tools.zstd}, got ${zstd ?? "none"} in this Node`,
    {
      hint: "run cvm-build on the Node that the workspace installs, or refresh the lock with cvm-build lock",
    },
  );
}
