import type { Profile } from "@cvm-build/profile";
import { buildKey, isUpToDate, rememberBuild, systemKey } from "./build-key.ts";
import { type Launch, launchesOf } from "./layouts/launch-script.ts";
import { layoutOf } from "./layouts/table.ts";
import { LINT_FILE, type LintReport } from "./lint/finding.ts";
import { locateFindings } from "./lint/locate.ts";
import { findLock, type LockPolicy, lockMissing, type ObtainedLock } from "./locking.ts";
import { suppliedArtifacts } from "./local-inputs.ts";
import type { Manifest } from "./manifest.ts";
import type { Measurements } from "./measurements.ts";
import { explainWriteFailure, OutputDirectory } from "./output.ts";
import { loadSelection } from "./selection.ts";
import type { ProfileSelection, Surroundings } from "./surroundings.ts";

/** What to build, and from what. */
export interface BuildRequest extends ProfileSelection {
  lockPolicy: LockPolicy;
  /**
   * Files that stand in for artefacts, by name, relative to where the command was typed. Their digests must be the locked
   * ones.
   */
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
  /** What the host can still influence; absent of what is not booted by itself. */
  lint?: LintReport;
  /** Ways to start an image that QEMU hands to firmware. */
  launch?: Launch[];
}

/**
 * Builds an image: profile → lock → verified bytes → file tree → initrd → UKI → read back → measurements.
 * The output directory holds the previous image until the new one is whole.
 */
export async function buildImage(request: BuildRequest, surroundings: Surroundings): Promise<BuildReport> {
  const { profile, settings } = loadSelection(request, surroundings);
  const output = new OutputDirectory(profile.output.outputDirectory, profile.output.imageId);
  const supplied = suppliedArtifacts(request.artifacts, { profile, surroundings });
  const found = findLock(profile, { surroundings, output, policy: request.lockPolicy, supplied });
  const isCurrent = !request.force && found !== undefined && isUpToDate(output, buildKey(profile, found, surroundings));
  const obtained = isCurrent
    ? found
    : await buildAnew({ ...request, artifacts: supplied }, { profile, output, found, surroundings }).catch(
        (error: unknown) => {
          throw explainWriteFailure(error);
        },
      );
  const manifest = output.readJson<Manifest>("manifest.json");
  const { start } = layoutOf(profile);
  return {
    directory: output.path,
    upToDate: isCurrent,
    lock: obtained.origin,
    manifest,
    measurements: output.readJson<Measurements>("measurements.json"),
    ...(start !== undefined && { lint: locateFindings(output.readJson<LintReport>(LINT_FILE), settings) }),
    ...(start === "kernel" && { launch: launchesOf(output.imageId, manifest.image.kernelCommandLine) }),
  };
}

/** What it takes to build is loaded here, so that a run which finds everything up to date ends without it. */
async function buildAnew(
  { artifacts, lockPolicy }: BuildRequest,
  context: { profile: Profile; output: OutputDirectory; found: ObtainedLock | undefined; surroundings: Surroundings },
): Promise<ObtainedLock> {
  const { profile, output, found, surroundings } = context;
  if (!found && lockPolicy.locked) throw lockMissing(profile, surroundings);
  const [{ writeSoundImage }, { resolveAnew }, { openImageSigners }, { storeOf }] = await Promise.all([
    import("./pipeline.ts"),
    import("./resolving.ts"),
    import("./signing.ts"),
    import("./store.ts"),
  ]);
  await using signers = await openImageSigners(profile, surroundings);
  const store = storeOf(surroundings);
  const obtained = found ?? (await resolveAnew(profile, { store, surroundings, artifacts }));
  const key = buildKey(profile, obtained, surroundings);
  using generation = output.startGeneration();
  await writeSoundImage({ profile, obtained, artifacts, signers, store, surroundings, generation });
  surroundings.signal?.throwIfAborted();
  const files = generation.digests();
  generation.publish();
  rememberBuild(output, { key, systemKey: systemKey(profile, obtained), files });
  return obtained;
}
