import { compileGlob, CvmError } from "@cvm-build/bytes";
import { FileTree, type Origin, parentOf } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import { mergeInputs, type RootfsInput, type RootfsTools } from "../assemble.ts";
import { finisherEditor } from "../finishers/editor.ts";
import { extraTreesFinisher } from "../finishers/extra-trees.ts";
import { initrdModulesFinisher } from "../kernel/kernel-modules.ts";
import { linkerCacheFinisher } from "../linker-cache/linker-cache.ts";
import { isDocumentation } from "../packages/documentation.ts";
import { type InitrdSizes, measureInitrd } from "./initrd-sizes.ts";
import { takeLibraries } from "./library-closure.ts";
import { PACKAGE_PARTS, type PackageParts, REQUIRED_FILES } from "./systemd-parts.ts";
import { TreePicker } from "./tree-picker.ts";

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

const ORIGIN: Origin = { kind: "finisher", name: "initrd" };
const UNITS = "/usr/lib/systemd/system";
const MODULES = "/usr/lib/modules";

/** What of the root file system is an initrd's, too. */
const IDENTITY = ["/etc/group", "/etc/hostname", "/etc/machine-id", "/etc/nsswitch.conf", "/etc/passwd"];
/** What is mounted there is mounted before anything could make a directory. */
const MOUNT_POINTS = { "/dev": 0o755, "/proc": 0o755, "/run": 0o755, "/sys": 0o755, "/sysroot": 0o755, "/tmp": 0o1777 };
/** Translations, and what only package managers and shells of people read. */
const NEEDLESS = /^\/usr\/share\/(?:bash-completion|bug|fish|initramfs-tools|lintian|locale|zsh)\//;
/** Of the files beside modules those that kmod and udev read; others are the same as text, or for depmod. */
const MODULE_INDEXES = /^modules\.(?:builtin|devname|softdep|weakdep|.*\.bin)$/;
/** Programs are named by these, by the kernel, too. */
const MERGED_DIRECTORIES = ["/bin", "/lib", "/sbin"];
/** Dlopen features that an initrd has a use for, where the libraries are there. */
const FEATURES: ReadonlySet<string> = new Set(["cryptsetup", "tpm"]);

/**
 * In place of systemd's, which starts a shell for whoever is at the console: what cannot go on is switched off. systemd
 * names the unit that failed on the console before.
 */
const EMERGENCY_SERVICE = `# Written by cvm-build.
[Unit]
Description=Power off, the root file system of this image cannot be had
DefaultDependencies=no
SuccessAction=poweroff-force
FailureAction=poweroff-force
`;

/**
 * Makes an initrd with systemd that mounts a verified root file system and goes on in it, out of packages' files. It holds
 * what `input.names` name, the libraries that these need, the modules that `KernelInitrdModules=` names, and nothing that
 * asks a person or the host.
 * @param input.packages those of the image and those that only the initrd has
 * @throws CvmError `initrd` where it would not boot; what `mergeInputs` throws; `kernel-modules`
 * @see systemd's bootup(7), "Bootup in the initrd"
 */
export async function assembleSystemdInitrd(input: InitrdInput, tools: RootfsTools): Promise<Initrd> {
  const { profile } = input;
  const source = await mergeSource(input, tools);
  const root = source.get("/")!;
  const picker = new TreePicker({ source, target: new FileTree(root) });
  for (const path of MERGED_DIRECTORIES) picker.take(path);
  for (const name of input.names) takePackage(picker, name);
  checkRequired(picker.target);
  takeModules(picker);
  takeLibraries(picker, { architecture: profile.distribution.architecture, features: FEATURES });
  takeIdentity(picker.target, input);
  await linkerCacheFinisher.finish(picker.target, { profile, cache: tools.cache });
  return { tree: picker.target, sizes: measureInitrd(picker.target) };
}

/** Everything that could go in: packages, artefacts, extra trees, and of the modules those that are asked for. */
async function mergeSource(input: InitrdInput, tools: RootfsTools): Promise<FileTree> {
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

function takePackage(picker: TreePicker, name: string): void {
  const parts = PACKAGE_PARTS[name];
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

function takeModules(picker: TreePicker): void {
  for (const release of picker.source.list(MODULES)) {
    const directory = `${MODULES}/${release}`;
    for (const [path, node] of picker.source.entries(directory)) {
      const name = path.slice(directory.length + 1);
      if (node.kind === "file" && (name.includes(".ko") || MODULE_INDEXES.test(name))) picker.take(path);
    }
  }
}

/** Accounts and names of the root file system, what the image is, and where it starts. */
function takeIdentity(tree: FileTree, { root, profile }: InitrdInput): void {
  const editor = finisherEditor(tree, ORIGIN.name, { profile });
  for (const path of IDENTITY) {
    const node = root.follow(path);
    if (node?.kind !== "file") continue;
    editor.makeDirectory(parentOf(path));
    tree.set(path, node);
  }
  const release = root.follow("/etc/os-release") ?? root.follow("/usr/lib/os-release");
  editor.writeFile("/usr/lib/initrd-release", release?.kind === "file" ? release.content : "ID=linux\n");
  for (const name of ["initrd-release", "os-release"]) editor.writeSymlink(`/etc/${name}`, "../usr/lib/initrd-release");
  for (const [path, mode] of Object.entries(MOUNT_POINTS)) editor.makeDirectory(path, { mode });
  editor.writeFile(`${UNITS}/emergency.service`, EMERGENCY_SERVICE);
  editor.writeSymlink("/init", "usr/lib/systemd/systemd");
}

function checkRequired(tree: FileTree): void {
  for (const [path, name] of Object.entries(REQUIRED_FILES)) {
    if (tree.follow(path)) continue;
    throw new CvmError("initrd", `cannot make the initrd: expected "${path}" of package "${name}", got no such file`, {
      hint: `is ${name} in the lock? run cvm-build lock`,
      details: { path, package: name },
    });
  }
}
