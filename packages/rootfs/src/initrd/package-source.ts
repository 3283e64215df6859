import { compileGlob, CvmError } from "@cvm-build/bytes";
import type { FileTree } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import { mergeInputs, type RootfsInput, type RootfsTools } from "../assemble.ts";
import { extraTreesFinisher } from "../finishers/extra-trees.ts";
import { initrdModulesFinisher } from "../kernel/kernel-modules.ts";
import { isDocumentation } from "../packages/documentation.ts";
import type { InitrdSizes } from "./initrd-sizes.ts";
import type { TreePicker } from "./tree-picker.ts";

/** What an initrd is made of. */
export interface InitrdInput extends RootfsInput {
  /** Names of the packages whose files are taken. */
  names: readonly string[];
  /** The finished root file system that the initrd leads to: accounts, names and identity are its own. */
  root: FileTree;
}

/** A finished initrd. */
export interface Initrd {
  tree: FileTree;
  sizes: InitrdSizes;
}

/** What an initrd takes of a package: units by name, everything else by path. */
export interface PackageParts {
  /** Units of /usr/lib/systemd/system; links that want them and their drop-ins come along. */
  units?: readonly string[];
  files?: readonly string[];
}

/** What is taken of packages. */
export interface PackageChoice {
  names: readonly string[];
  /** Of a package that is not here everything is taken but documentation and translations. */
  parts: Readonly<Record<string, PackageParts>>;
  /** Files without which there is no initrd, and the package of Debian that has each. */
  required: Readonly<Record<string, string>>;
}

const UNITS = "/usr/lib/systemd/system";
/** Translations, and what only package managers and shells of people read. */
const NEEDLESS = /^\/usr\/share\/(?:bash-completion|bug|fish|initramfs-tools|lintian|locale|zsh)\//;
/** Programs are named by these, by the kernel, too. */
const MERGED_DIRECTORIES = ["/bin", "/lib", "/sbin"];

/** Everything that could go in: packages, artefacts, extra trees, and of the modules those that are asked for. */
export async function mergeSource(input: InitrdInput, tools: RootfsTools): Promise<FileTree> {
  const removed = input.profile.content.removePackages.map(compileGlob);
  const packages = input.packages.filter(
    ({ locked: { name, role } }) =>
      role !== "stub" &&
      (role === "initrd" || input.names.includes(name) || !removed.some((isRemoved) => isRemoved(name))),
  );
  const profile: Profile = { ...input.profile, content: { ...input.profile.content, removePackages: [] } };
  const { merger, extraTrees } = await mergeInputs({ ...input, profile, packages }, tools);
  const context = { profile, cache: tools.cache, commands: [], extraTrees };
  await extraTreesFinisher.finish(merger.tree, context);
  await initrdModulesFinisher.finish(merger.tree, context);
  return merger.tree;
}

/**
 * Takes the files of packages.
 * @throws CvmError `initrd` where a required one is missing
 */
export function takePackages(picker: TreePicker, { names, parts, required }: PackageChoice): void {
  for (const path of MERGED_DIRECTORIES) picker.take(path);
  for (const name of names) takePackage(picker, name, parts[name]);
  checkRequired(picker.target, required);
}

function takePackage(picker: TreePicker, name: string, parts: PackageParts | undefined): void {
  if (parts) {
    for (const path of parts.files ?? []) picker.take(path);
    takeUnits(picker, parts);
    return;
  }
  for (const [path, node] of picker.source.entries()) {
    const isOwn = node.origin.name === name && node.origin.kind !== "finisher" && node.kind !== "directory";
    if (isOwn && !isDocumentation(path) && !NEEDLESS.test(path)) picker.take(path);
  }
}

/** Takes units, the links by which targets want them, and their drop-ins. */
function takeUnits(picker: TreePicker, { units = [] }: PackageParts): void {
  const wanted = new Set(units);
  for (const unit of units) picker.take(`${UNITS}/${unit}`);
  for (const directory of picker.source.list(UNITS)) {
    const path = `${UNITS}/${directory}`;
    if (/\.(?:wants|requires|upholds)$/.test(directory)) {
      for (const unit of picker.source.list(path)) if (wanted.has(unit)) picker.take(`${path}/${unit}`);
    } else if (directory.endsWith(".d") && wanted.has(directory.slice(0, -2))) {
      picker.takeAll(path);
    }
  }
}

function checkRequired(tree: FileTree, required: PackageChoice["required"]): void {
  for (const [path, name] of Object.entries(required)) {
    if (tree.follow(path)) continue;
    throw new CvmError("initrd", `cannot make the initrd: expected "${path}" of package "${name}", got no such file`, {
      hint: `is ${name} in the lock? run cvm-build lock`,
      details: { path, package: name },
    });
  }
}
