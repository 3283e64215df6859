import { basename, resolve } from "node:path";
import { CvmError, type Sha256Hex, sourceSha256 } from "@cvm-build/bytes";
import type { LoadedProfile } from "@cvm-build/profile";
import { bootPhases } from "@cvm-build/rootfs";
import { readUki, type Uki } from "@cvm-build/uki";
import { measuredCompanions } from "../companions.ts";
import { type BuiltImage, findImage, type ImageChoice } from "../machine.ts";
import { openNamedFile } from "../named-file.ts";
import { measureOnPlatforms } from "../platforms/measure.ts";
import { Memo } from "../platforms/memo.ts";
import { selectPlatforms } from "../platforms/select.ts";
import { loadSelection } from "../selection.ts";
import type { Surroundings } from "../surroundings.ts";
import { LINT_FILE, type LintReport } from "./finding.ts";
import { locateFindings } from "./locate.ts";
import { runRules } from "./run-rules.ts";
import type { Need, Subject } from "./subject.ts";
import { lintPlatforms, subjectOfUki, treeOfUki } from "./subject-of-image.ts";
import { RULES } from "./table.ts";

/** An image, and where it is to run. */
export interface LintRequest {
  choice: ImageChoice;
  /** In place of those that it was built for, where any is named. */
  platforms: string[];
  /** Path of a variable store of OVMF's, for platforms that name none. */
  variableStore?: string;
}

/** An image that is looked at anew. */
interface Examined {
  path: string;
  uki: Uki;
  sha256: Sha256Hex;
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
  const { choice } = request;
  const built = findImage(choice, surroundings);
  const loaded = "selection" in choice ? loadSelection(choice.selection, surroundings) : undefined;
  using image = openNamedFile(built.uki, "image");
  const sha256 = sourceSha256(image);
  const isElsewhere = request.platforms.length > 0 || request.variableStore !== undefined;
  const known = isElsewhere ? undefined : storedReport(built, sha256);
  const report =
    known ?? (await examine({ path: built.uki, uki: readUki(image), sha256 }, { request, loaded, surroundings }));
  return loaded ? locateFindings(report, loaded.settings) : report;
}

/** What the build of this very image found. */
function storedReport({ output }: BuiltImage, sha256: Sha256Hex): LintReport | undefined {
  if (output.read(LINT_FILE) === undefined) return undefined;
  const report = output.readJson<LintReport>(LINT_FILE);
  if (report.image?.sha256 !== sha256) return undefined;
  const seen = new Set([...report.checked, ...report.notChecked.map(({ rule }) => rule)]);
  const later = RULES.filter(({ id }) => !seen.has(id)).map(({ id }) => ({ rule: id, reason: LATER_RULE }));
  return { ...report, notChecked: [...report.notChecked, ...later] };
}

async function examine(
  image: Examined,
  context: { request: LintRequest; loaded: LoadedProfile | undefined; surroundings: Surroundings },
): Promise<LintReport> {
  const { path, uki, sha256 } = image;
  if (!uki.base.has(".linux")) {
    throw new CvmError("no-image", `cannot lint "${path}": expected a UKI, got an image without a kernel in it`, {
      hint: "an add-on or a kernel is looked at with the UKI or machine that it is for",
    });
  }
  const unpacked = treeOfUki(uki);
  const tree = "tree" in unpacked ? unpacked.tree : undefined;
  const unknown: Partial<Record<Need, string>> = { platforms: NO_PLATFORM, profile: NO_PROFILE };
  if ("problem" in unpacked) unknown.tree = unpacked.problem;
  const platforms = await platformsOf(image, { ...context, phases: tree ? bootPhases(tree) : [] });
  const subject: Subject = {
    ...subjectOfUki(uki),
    ...(tree && { tree }),
    ...(platforms && { platforms }),
    ...(context.loaded && { profile: context.loaded.profile }),
    unknown,
  };
  return runRules(subject, { id: basename(path), sha256 });
}

async function platformsOf(
  { path, uki }: Examined,
  options: { request: LintRequest; surroundings: Surroundings; phases: readonly string[] },
): Promise<Subject["platforms"]> {
  const { request, surroundings, phases } = options;
  const { platforms: names, variableStore } = request;
  if (names.length === 0 && variableStore === undefined) return undefined;
  const store = variableStore === undefined ? undefined : resolve(surroundings.invocationDirectory, variableStore);
  const platforms = await selectPlatforms({ names, variableStore: store }, surroundings);
  const image = uki.pe.source;
  const bootable = {
    ...{ image, phases, companions: measuredCompanions(path) },
    banks: ["sha256" as const],
    memo: new Memo(),
  };
  const measured = await measureOnPlatforms(bootable, platforms, { threads: surroundings.workers });
  return lintPlatforms(platforms, measured);
}
