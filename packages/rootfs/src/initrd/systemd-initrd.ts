import { FileTree, type Origin, parentOf } from "@cvm-build/fs-writer";
import type { RootfsTools } from "../assemble.ts";
import { formatKeptExtensions } from "../extension/merge-extensions.ts";
import { finisherEditor } from "../finishers/editor.ts";
import { linkerCacheFinisher } from "../linker-cache/linker-cache.ts";
import { measureInitrd } from "./initrd-sizes.ts";
import { takeLibraries } from "./library-closure.ts";
import { type Initrd, type InitrdInput, mergeSource, takePackages } from "./package-source.ts";
import { PACKAGE_PARTS, REQUIRED_FILES } from "./systemd-parts.ts";
import { TreePicker } from "./tree-picker.ts";

const ORIGIN: Origin = { kind: "finisher", name: "initrd" };
const UNITS = "/usr/lib/systemd/system";
const MODULES = "/usr/lib/modules";
const KEPT_EXTENSIONS = "/usr/lib/tmpfiles.d/cvm-extensions.conf";

/** What of the root file system is an initrd's, too. */
const IDENTITY = ["/etc/group", "/etc/hostname", "/etc/machine-id", "/etc/nsswitch.conf", "/etc/passwd"];
/** What is mounted there is mounted before anything could make a directory. */
const MOUNT_POINTS = { "/dev": 0o755, "/proc": 0o755, "/run": 0o755, "/sys": 0o755, "/sysroot": 0o755, "/tmp": 0o1777 };
/** Of the files beside modules those that kmod and udev read; others are the same as text, or for depmod. */
const MODULE_INDEXES = /^modules\.(?:builtin|devname|softdep|weakdep|.*\.bin)$/;
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
 * asks a person. What the host passes as credentials systemd takes here as it does later: files of tmpfiles.d, mounts.
 * @param input.packages those of the image and those that only the initrd has
 * @throws CvmError `initrd` where it would not boot; what `mergeInputs` throws; `kernel-modules`
 * @see systemd's bootup(7), "Bootup in the initrd"
 */
export async function assembleSystemdInitrd(input: InitrdInput, tools: RootfsTools): Promise<Initrd> {
  const { profile } = input;
  const source = await mergeSource(input, tools);
  const root = source.get("/")!;
  const picker = new TreePicker({ source, target: new FileTree(root) });
  takePackages(picker, { names: input.names, parts: PACKAGE_PARTS, required: REQUIRED_FILES });
  takeModules(picker);
  takeLibraries(picker, { architecture: profile.distribution.architecture, features: FEATURES });
  takeIdentity(picker.target, input);
  await linkerCacheFinisher.finish(picker.target, { profile, cache: tools.cache });
  return { tree: picker.target, sizes: measureInitrd(picker.target) };
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
  if (profile.content.mergeExtensions !== "no") editor.writeFile(KEPT_EXTENSIONS, formatKeptExtensions());
  editor.writeSymlink("/init", "usr/lib/systemd/systemd");
}
