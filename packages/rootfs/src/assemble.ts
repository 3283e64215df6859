import { statSync } from "node:fs";
import { compileGlob, CvmError, type ReportProgress } from "@cvm-build/bytes";
import { compareUtf8, type DerivedCache, FileTree, type Origin } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import type { LockedPackage } from "@cvm-build/resolver";
import { addArtifact, artifactArchive, declarationOf, type FetchedArtifact } from "./artifacts.ts";
import { bootPhases, type RegisterUse, registerUse } from "./boot-phases.ts";
import { diskContent, type ExtraTree } from "./extra-trees.ts";
import type { PackageFinisherContext } from "./finisher.ts";
import { FINISHERS } from "./finishers/table.ts";
import { type PickedKernel, pickKernel } from "./kernel-pick.ts";
import { type Replacement, TreeMerger } from "./merge.ts";
import { isDocumentation } from "./packages/documentation.ts";
import type { Payload } from "./packages/payload.ts";
import { type ArchiveSource, unpack } from "./packages/unpack.ts";
import { type ClassifiedScript, classifyScript, readScripts } from "./scripts/classify.ts";

/** A package whose bytes are at hand. */
export interface FetchedPackage {
  locked: LockedPackage;
  path: string;
}

/** What a root file system is made of: the profile and the locked inputs' bytes. */
export interface RootfsInput {
  profile: Profile;
  packages: FetchedPackage[];
  artifacts: FetchedArtifact[];
}

/** Where derived objects are kept, and how much may run at once. */
export interface RootfsTools {
  cache: DerivedCache;
  /** Threads that unpack at the same time. */
  workers: number;
  report?: ReportProgress;
}

/** What a finisher did, by name. */
export interface FinisherReport {
  name: string;
  summary: string;
  paths: string[];
}

/** What a package or bare .deb has in the finished tree. */
export interface PackageUse {
  name: string;
  version: string;
  /** Content of its files; hard links count once. */
  sizeBytes: number;
  fileCount: number;
}

/** The finished tree and all that the manifest says of it. */
export interface Rootfs {
  tree: FileTree;
  /** Absent where no package brings a kernel. */
  kernel?: PickedKernel;
  finishers: FinisherReport[];
  /** Every maintainer script, none of which was run. */
  scripts: ClassifiedScript[];
  packages: PackageUse[];
  /** Words with which the tree's systemd extends PCR 11 at boot, in order (see `bootPhases`). */
  phases: string[];
  /** What it extends beside. */
  registerUse: RegisterUse;
  /** Regular files with a set-user-id or set-group-id bit, sorted. */
  setuid: string[];
  /** Files that two packages hold, and which one the image has. */
  replacements: Replacement[];
}

/** A package or bare .deb, decoded. */
export interface UnpackedDeb {
  origin: Origin;
  payload: Payload;
}

/**
 * Assembles the root file system of a profile from its locked inputs. No code of any of them runs.
 * @throws CvmError `package`, `conflict`, `artifact`, `extra-tree`, `kernel`, `setting`, `accounts`
 */
export async function assembleRootfs(input: RootfsInput, tools: RootfsTools): Promise<Rootfs> {
  const { profile } = input;
  const packages = input.packages.filter(({ locked }) => locked.role === "image");
  const { merger, debs, extraTrees } = await mergeInputs({ ...input, packages }, tools);
  const { tree } = merger;
  const kernel = pickKernel(tree);
  const sources = debs.map(({ origin, payload: { index } }) => ({ ...index, name: index.name || origin.name }));
  const scripts = sources.flatMap(readScripts);
  const commands = scripts.flatMap((script) => script.commands ?? []);
  const finishers = await runFinishers(tree, { profile, cache: tools.cache, commands, extraTrees });
  return {
    tree,
    ...(kernel ? { kernel } : {}),
    finishers,
    scripts: scripts.map((script) => classifyScript(script, { has: (path) => standsAt(tree, path) })),
    packages: packageUse(tree, debs),
    phases: bootPhases(tree),
    registerUse: registerUse(tree),
    setuid: setIdFiles(tree),
    replacements: merger.replacements,
  };
}

/** Packages and artefacts in one tree, with nothing finished yet. */
export interface MergedInputs {
  merger: TreeMerger;
  debs: UnpackedDeb[];
  /** Not merged: they come over what finishers make. */
  extraTrees: ExtraTree[];
}

/**
 * Unpacks a profile's inputs and lays packages and artefacts over each other.
 * @param input.packages those that go into the tree, but for what `RemovePackages=` names
 * @throws CvmError `package`, `conflict`, `artifact`, `extra-tree`
 */
export async function mergeInputs(input: RootfsInput, tools: RootfsTools): Promise<MergedInputs> {
  const { profile } = input;
  const { debs, artifacts, extraTrees } = await unpackInputs(input, tools);
  const merger = mergeDebs(debs, profile);
  for (const { artifact, payload } of artifacts) {
    const declaration = declarationOf(profile, artifact);
    addArtifact(merger.tree, { artifact, declaration, payload }, { mtimeSec: profile.content.sourceDateEpochSec });
  }
  return { merger, debs, extraTrees };
}

/** Whether something stands at a path. A link to a device node does: /dev is filled when the image runs. */
function standsAt(tree: FileTree, path: string): boolean {
  if (tree.follow(path)) return true;
  const node = tree.get(tree.resolveParent(path) ?? path);
  return node?.kind === "symlink" && node.target.startsWith("/dev/");
}

interface UnpackedInputs {
  /** In the order of merging. */
  debs: UnpackedDeb[];
  artifacts: { artifact: FetchedArtifact; payload: Payload | undefined }[];
  extraTrees: ExtraTree[];
}

/** Unpacks packages, artefacts and archived extra trees in one go, so that no thread waits for a stage to end. */
async function unpackInputs(
  { profile, packages, artifacts }: RootfsInput,
  tools: RootfsTools,
): Promise<UnpackedInputs> {
  const removed = profile.content.removePackages.map(compileGlob);
  const kept = packages.filter(({ locked }) => !removed.some((isRemoved) => isRemoved(locked.name)));
  const archives = artifacts.map((artifact) => artifactArchive(artifact, declarationOf(profile, artifact)));
  const extras = profile.content.extraTrees.map(({ source, target }) => ({
    name: source,
    target,
    archive: extraArchive(source),
  }));
  const sources = [
    ...kept.map(({ locked, path }): ArchiveSource => ({ ...pickArchive(locked), kind: "deb", path })),
    ...archives.filter((archive) => archive !== undefined),
    ...extras.flatMap(({ archive }) => archive ?? []),
  ];
  const payloads = new Map((await unpack(sources, tools)).map((payload, index) => [sources[index]!, payload]));
  const debs = sources.flatMap((source, index): UnpackedDeb[] => {
    const kind = index < kept.length ? "package" : "artifact";
    return source.kind === "deb" ? [{ origin: { kind, name: source.name }, payload: payloads.get(source)! }] : [];
  });
  return {
    debs: debs.sort(compareMergeOrder),
    artifacts: artifacts.map((artifact, index) => {
      const archive = archives[index];
      return { artifact, payload: archive && payloads.get(archive) };
    }),
    extraTrees: extras.map(({ name, target, archive }) => {
      const source = archive ? { payload: payloads.get(archive)! } : { directory: name };
      return { name, target, source };
    }),
  };
}

/** base-files lays out the directories that others only fill; then by name, packages before bare ones. */
function compareMergeOrder(a: UnpackedDeb, b: UnpackedDeb): number {
  const rank = ({ origin }: UnpackedDeb): number =>
    origin.name === "base-files" ? 0 : origin.kind === "package" ? 1 : 2;
  return rank(a) - rank(b) || compareUtf8(a.origin.name, b.origin.name);
}

function mergeDebs(debs: UnpackedDeb[], { content }: Profile): TreeMerger {
  const layout: Origin = { kind: "finisher", name: "merged-usr" };
  const root = { mode: 0o755, uid: 0, gid: 0, mtimeSec: content.sourceDateEpochSec, origin: layout };
  const merger = new TreeMerger(new FileTree(root));
  const holds = (path: string): boolean =>
    debs.some(({ payload }) =>
      payload.index.entries.some((entry) => entry.path === path || entry.path.startsWith(`${path}/`)),
    );
  merger.layOutMergedUsr({ hasLib64: holds("/lib64") || holds("/usr/lib64") });
  const exclude = content.withDocs ? () => false : isDocumentation;
  for (const { origin, payload } of debs) {
    merger.add(payload, { origin, exclude, replaces: new Set(payload.index.replaces) });
  }
  return merger;
}

async function runFinishers(tree: FileTree, context: PackageFinisherContext): Promise<FinisherReport[]> {
  const reports: FinisherReport[] = [];
  for (const finisher of FINISHERS) {
    const effect = await finisher.finish(tree, context);
    reports.push({ name: finisher.name, ...effect });
  }
  return reports;
}

function packageUse(tree: FileTree, debs: UnpackedDeb[]): PackageUse[] {
  const uses = new Map<string, PackageUse>();
  for (const { origin, payload } of debs) {
    uses.set(`${origin.kind} ${origin.name}`, {
      name: origin.name,
      version: payload.index.version,
      sizeBytes: 0,
      fileCount: 0,
    });
  }
  const seen = new Set<unknown>();
  for (const [, node] of tree.entries()) {
    const use = uses.get(`${node.origin.kind} ${node.origin.name}`);
    if (!use || node.kind === "directory" || seen.has(node)) continue;
    seen.add(node);
    use.fileCount++;
    if (node.kind === "file") use.sizeBytes += node.content.sizeBytes;
  }
  return [...uses.values()];
}

function setIdFiles(tree: FileTree): string[] {
  const paths: string[] = [];
  for (const [path, node] of tree.entries()) if (node.kind === "file" && (node.mode & 0o6000) !== 0) paths.push(path);
  return paths;
}

function pickArchive({ name, sizeBytes, sha256 }: LockedPackage): Pick<ArchiveSource, "name" | "sizeBytes" | "sha256"> {
  return { name, sizeBytes, sha256 };
}

/** An extra tree that is a file is an archive; undefined where it is a directory. */
function extraArchive(path: string): ArchiveSource | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) {
    const message = `cannot add extra tree "${path}": expected a directory or an archive, got nothing of that name`;
    throw new CvmError("extra-tree", message, { hint: "ExtraTrees= takes SOURCE or SOURCE:TARGET", details: { path } });
  }
  if (stat.isDirectory()) return undefined;
  const { sizeBytes, sha256 } = diskContent(path);
  return { kind: "tar", name: path, path, sizeBytes, sha256 };
}
