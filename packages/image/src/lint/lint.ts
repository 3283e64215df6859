import { statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { type Sha256Hex, sourceSha256 } from "@cvm-build/bytes";
import type { LoadedProfile } from "@cvm-build/profile";
import { bootPhases } from "@cvm-build/rootfs";
import { measuredCompanions } from "../companions.ts";
import { startedKernel } from "../start-image.ts";
import { type BuiltImage, findImage, type ImageChoice } from "../machine.ts";
import { type NamedFile, openNamedFile } from "../named-file.ts";
import type { Bootable } from "../platforms/bootable.ts";
import { measureOnPlatforms } from "../platforms/measure.ts";
import { refuseDisk } from "../refuse-disk.ts";
import { startedByKernel } from "../platforms/by-kernel.ts";
import { Memo } from "../platforms/memo.ts";
import { selectPlatforms } from "../platforms/select.ts";
import { loadSelection } from "../selection.ts";
import type { Surroundings } from "../surroundings.ts";
import { LINT_FILE, type LintReport } from "./finding.ts";
import { locateFindings } from "./locate.ts";
import { runRules } from "./run-rules.ts";
import type { Subject } from "./subject.ts";
import { lintPlatforms, readBootImage, type SeenImage, subjectOfInitrd } from "./subject-of-image.ts";
import { RULES } from "./table.ts";

/** An image, and where it is to run. */
export interface LintRequest {
  choice: ImageChoice;
  /** Path of a kernel's initrd. */
  initrd?: string;
  /** What a kernel is started with. */
  commandLine?: string;
  /** In place of those that it was built for, where any is named. */
  platforms: string[];
  /** Path of a variable store of OVMF's, for platforms that name none. */
  variableStore?: string;
}

/** What builds before this rule left unsaid. */
const LATER_RULE = "the image was built before there was this rule: build it again";
const NO_PLATFORM = "no platform was named: --platform";
const NO_PROFILE = "the profile that it was built from is not known: --profile";

/**
 * Says what the host can still influence of an image: what its build found, or for images of others, and on other
 * platforms, what can be seen from outside.
 * @throws CvmError `no-image`; FormatError
 */
export async function lintImage(request: LintRequest, surroundings: Surroundings): Promise<LintReport> {
  const { choice, platforms, variableStore } = request;
  const { path, built } = imageOf(choice, surroundings);
  const loaded = "selection" in choice ? loadSelection(choice.selection, surroundings) : undefined;
  using files = new DisposableStack();
  const open = (file: string, what: NamedFile) =>
    files.use(openNamedFile(resolve(surroundings.invocationDirectory, file), what));
  const image = open(path, "image");
  const sha256 = sourceSha256(image);
  const isElsewhere = platforms.length > 0 || variableStore !== undefined;
  const known = isElsewhere || !built ? undefined : storedReport(built, sha256);
  if (known) return loaded ? locateFindings(known, loaded.settings) : known;
  const kernel = built && startedKernel(built);
  const { initrd: initrdPath = kernel?.initrdPath, commandLine = kernel?.commandLine } = request;
  const initrd = initrdPath === undefined ? undefined : open(initrdPath, "initrd");
  const started = kernel ? { path: kernel.path, image: open(kernel.path, "image") } : { path, image };
  refuseDisk(started.path, started.image);
  const seen = readBootImage(started, { ...(initrd && { initrd }), ...(commandLine !== undefined && { commandLine }) });
  const report = runRules(await subjectOf(seen, { request, loaded, surroundings, isByKernel: kernel !== undefined }), {
    id: basename(path),
    sha256,
  });
  return loaded ? locateFindings(report, loaded.settings) : report;
}

/** The file that is meant, and what its build left, unless the file itself was named: then nothing beside it counts. */
function imageOf(choice: ImageChoice, surroundings: Surroundings): { path: string; built?: BuiltImage } {
  if ("image" in choice) {
    const path = resolve(surroundings.invocationDirectory, choice.image);
    if (statSync(path, { throwIfNoEntry: false })?.isFile()) return { path };
  }
  const built = findImage(choice, surroundings);
  return { path: built.path, built };
}

/** What the build of this very image found. */
function storedReport({ output }: BuiltImage, sha256: Sha256Hex): LintReport | undefined {
  if (output.read(LINT_FILE) === undefined) return undefined;
  const report = output.readJson<Partial<LintReport>>(LINT_FILE);
  if (!isWhole(report) || report.image.sha256 !== sha256) return undefined;
  const seen = new Set([...report.checked, ...report.notChecked.map(({ rule }) => rule)]);
  const later = RULES.filter(({ id }) => !seen.has(id)).map(({ id }) => ({ rule: id, reason: LATER_RULE }));
  return { ...report, notChecked: [...report.notChecked, ...later] };
}

function isWhole(report: Partial<LintReport>): report is LintReport {
  const { schema, image, findings, checked, notChecked } = report;
  return schema === "cvm-build.lint/1" && image !== undefined && [findings, checked, notChecked].every(Array.isArray);
}

/** What is asked of an image. */
interface LintContext {
  request: LintRequest;
  loaded: LoadedProfile | undefined;
  surroundings: Surroundings;
  /** It was built to be started by `-kernel`, whatever platforms say of UKIs. */
  isByKernel: boolean;
}

async function subjectOf(seen: SeenImage, context: LintContext): Promise<Subject> {
  const { facts, unpacked } = seen;
  const { unknown, ...trees } = subjectOfInitrd(unpacked);
  const platforms = await platformsOf(seen, context);
  return {
    ...facts,
    ...trees,
    ...(platforms && { platforms }),
    ...(context.loaded && { profile: context.loaded.profile }),
    unknown: { ...unknown, platforms: NO_PLATFORM, profile: NO_PROFILE },
  };
}

async function platformsOf(
  { path, image, initrd, commandLine, unpacked }: SeenImage,
  { request, surroundings, isByKernel }: LintContext,
): Promise<Subject["platforms"]> {
  const { platforms: names, variableStore } = request;
  if (names.length === 0 && variableStore === undefined) return undefined;
  const store = variableStore === undefined ? undefined : resolve(surroundings.invocationDirectory, variableStore);
  const selected = await selectPlatforms({ names, variableStore: store }, surroundings);
  const platforms = isByKernel ? selected.map(startedByKernel) : selected;
  const bootable: Bootable = {
    image,
    ...(initrd && { initrd }),
    ...(commandLine !== undefined && { commandLine }),
    companions: measuredCompanions(path),
    phases: "tree" in unpacked ? bootPhases(unpacked.tree) : [],
    banks: ["sha256"],
    memo: new Memo(),
  };
  const measured = await measureOnPlatforms(bootable, platforms, { threads: surroundings.workers });
  return lintPlatforms(platforms, measured);
}
