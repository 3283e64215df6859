import { CvmError } from "@cvm-build/bytes";
import { type FileTree, readContent } from "@cvm-build/fs-writer";
import type { ContentSettings } from "@cvm-build/profile";
import type { Finisher } from "../finisher.ts";
import { finisherEditor } from "../finishers/editor.ts";
import { knownModuleNames, listKernelReleases } from "../kernel/module-files.ts";
import { formatUnit } from "../services/unit-syntax.ts";
import { enableUnit } from "../units/enable.ts";
import type { ExtensionKind } from "./extension-release.ts";

/** Where extensions are on their way from a UKI's folder to the system that merges them. */
interface Way {
  /** Where systemd-stub puts them, into the initrd. */
  stub: string;
  /** Where a system that lives in its initrd looks for them, and would not find them without a link. */
  link: string;
  /** Where any system looks for them, and what stays when it leaves its initrd behind. */
  kept: string;
}

/** @see systemd-stub(7), systemd-sysext(8), "FILES" */
const WAYS: Readonly<Record<ExtensionKind, Way>> = {
  sysext: { stub: "/.extra/sysext", link: "/etc/extensions", kept: "/run/extensions" },
  confext: { stub: "/.extra/confext", link: "/usr/lib/confexts", kept: "/run/confexts" },
};

/** What systemd asks of an image; what the stub has measured may be any. @see systemd.image-policy(7) */
const POLICIES: Readonly<Record<Exclude<ContentSettings["mergeExtensions"], "no">, string>> = {
  signed: "root=signed+absent:usr=signed+absent",
  measured: "root=signed+verity+unprotected+absent:usr=signed+verity+unprotected+absent",
};

/** Where systemd looks for certificates whose signatures count. */
const CERTIFICATE_DIRECTORIES = ["/etc/verity.d", "/usr/lib/verity.d"];
/** What systemd mounts an extension with. */
const MODULES = ["dm_verity", "erofs", "loop", "overlay"];
/** Without the rules of dmsetup udev would leave a question of device-mapper's open for ever. */
const FILES: Readonly<Record<string, string>> = {
  "/usr/bin/systemd-sysext": "systemd",
  "/usr/bin/systemd-confext": "systemd",
  "/usr/lib/udev/rules.d/95-dm-notify.rules": "dmsetup",
};
const LIBRARY = /^libcryptsetup\.so\.12$/;

/** Has the system merge extensions that stand beside its UKI, where `MergeExtensions=` says so. */
export const mergeExtensionsFinisher: Finisher = {
  name: "merge-extensions",
  replaces: [],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const { content, output } = context.profile;
    const { mergeExtensions } = content;
    if (mergeExtensions === "no") return editor.effect("extensions beside the UKI are not merged");
    for (const kind of ["sysext", "confext"] as const) {
      const unit = `systemd-${kind}.service`;
      editor.writeFile(dropInOf(unit), formatMergeDropIn(kind, POLICIES[mergeExtensions]));
      enableUnit(editor, unit);
      const { link, stub } = WAYS[kind];
      if (output.format === "uki" && !editor.has(link)) editor.writeSymlink(link, stub);
    }
    return editor.effect(`extensions beside the UKI are merged if ${mergeExtensions}`);
  },
};

/** Whether a unit merges any extension that a host puts beside the UKI, because `MergeExtensions=measured` says so. */
export function mergesAnyExtension(tree: FileTree, unit: string): boolean {
  const node = tree.follow(dropInOf(unit));
  return node?.kind === "file" && readContent(node.content).includes(POLICIES.measured);
}

function dropInOf(unit: string): string {
  return `/usr/lib/systemd/system/${unit}.d/50-cvm.conf`;
}

/** The lines of tmpfiles.d by which an initrd that is left behind keeps what the stub has put into it. */
export function formatKeptExtensions(): string {
  const lines = Object.values(WAYS).map(({ stub, kept }) => `C ${kept} - - - - ${stub}\n`);
  return `# Written by cvm-build from MergeExtensions=.\n${lines.join("")}`;
}

function formatMergeDropIn(kind: ExtensionKind, policy: string): string {
  return formatUnit("Written by cvm-build from MergeExtensions=.", [
    {
      name: "Service",
      settings: [
        ["ExecStart", ""],
        ["ExecStart", `systemd-${kind} refresh --image-policy=${policy}`],
        ["StandardError", "journal+console"],
      ],
    },
  ]);
}

/** Holds the finished tree against what merging needs: at boot it would be too late to say so. Changes nothing. */
export const mergeExtensionsCheckFinisher: Finisher = {
  name: "merge-extensions-check",
  replaces: [],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const { mergeExtensions } = context.profile.content;
    if (mergeExtensions === "no") return editor.effect("no extensions are merged");
    for (const [path, name] of Object.entries(FILES)) {
      if (tree.follow(path)?.kind !== "file") throw missing(`"${path}" in the image`, `add \`${name}\` to Packages=`);
    }
    if (!hasLibrary(tree)) {
      throw missing(`"libcryptsetup.so.12" in the image`, "add `libcryptsetup12` to Packages=");
    }
    for (const release of listKernelReleases(tree)) checkModules(tree, release);
    if (mergeExtensions === "signed") checkCertificates(tree);
    return editor.effect("what merging extensions needs is there");
  },
};

function hasLibrary(tree: FileTree): boolean {
  const directories = tree.list("/usr/lib").map((name) => `/usr/lib/${name}`);
  return directories.some((path) => tree.list(path).some((name) => LIBRARY.test(name)));
}

function checkModules(tree: FileTree, release: string): void {
  const names = knownModuleNames(tree, release);
  const lacks = MODULES.find((name) => !names.has(name));
  if (lacks !== undefined) throw missing(`kernel module "${lacks}" in the image`, `add ${lacks} to KernelModules=`);
}

function checkCertificates(tree: FileTree): void {
  if (CERTIFICATE_DIRECTORIES.some((path) => tree.list(path).some((name) => name.endsWith(".crt")))) return;
  throw missing(
    "a certificate in /etc/verity.d whose signatures count",
    "put one there with ExtraTrees=, in PEM and named *.crt, or set MergeExtensions=measured",
  );
}

function missing(expected: string, hint: string): CvmError<"setting"> {
  return new CvmError("setting", `cannot merge extensions (MergeExtensions=): expected ${expected}, got none`, {
    hint,
    details: { setting: "MergeExtensions" },
  });
}
