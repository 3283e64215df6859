import { contentOf, FileTree, type Origin, parentOf } from "@cvm-build/fs-writer";
import type { PlatformDeclaration, StorageSettings } from "@cvm-build/profile";
import type { PlatformMeasurements } from "../measurements.ts";
import { kernelParameters } from "./kernel-parameters.ts";
import type { LintPlatform, LintProfile, Subject } from "./subject.ts";

const ORIGIN: Origin = { kind: "package", name: "test" };

/** A tree from paths to contents; `-> target` is a symbolic link. Directories are made. */
export function treeOf(files: Readonly<Record<string, string>>): FileTree {
  const attributes = { uid: 0, gid: 0, mtimeSec: 0, origin: ORIGIN };
  const tree = new FileTree({ ...attributes, mode: 0o755 });
  for (const [path, text] of Object.entries(files)) {
    tree.makeDirectories(parentOf(path), ORIGIN);
    if (text.startsWith("-> ")) tree.set(path, { ...attributes, mode: 0o777, kind: "symlink", target: text.slice(3) });
    else tree.set(path, { ...attributes, mode: 0o644, kind: "file", content: contentOf(text) });
  }
  return tree;
}

/** A platform with Secure Boot off, unless said otherwise. */
export function platformOf(
  declaration: Partial<PlatformDeclaration> = {},
  more: { isSecureBootOn?: boolean } & Partial<PlatformMeasurements> = {},
): LintPlatform {
  const { isSecureBootOn = false, ...measured } = more;
  return {
    declaration: { name: "a", description: "A platform", machine: {}, ...declaration },
    isSecureBootOn,
    measured: {
      name: "a",
      registers: { pcr: {} },
      phases: {},
      unpredicted: [],
      refused: [],
      events: [],
      ...measured,
    },
  };
}

/** A profile with an encrypted disk, unless it is taken away. */
export function diskProfile(
  storage: Partial<StorageSettings> = {},
  { signExpectedPcr = false }: { signExpectedPcr?: boolean } = {},
): LintProfile {
  return {
    storage: {
      dataDisk: { by: "serial", name: "data" },
      mountPoint: "/var/lib/data",
      key: "tpm2",
      keyTimeoutSec: 300,
      integrity: false,
      missingDisk: "fail",
      diskTimeoutSec: 10,
      ...storage,
    },
    output: { format: "uki" },
    initOverlay: { carrier: "initrd", loadIntoRam: false },
    validation: { secureBoot: false, signExpectedPcr, signExpectedPcrKeys: [], verity: "auto" },
  };
}

/** An image by its command lines, files and platforms; all is known of it that is named. */
export function subjectOf(
  parts: {
    cmdline?: string | string[];
    stub?: number;
    files?: Record<string, string>;
    platforms?: LintPlatform[];
    profile?: LintProfile;
  } = {},
): Subject {
  const { cmdline, stub = 257, files, platforms, profile } = parts;
  return {
    stubMajorVersion: stub,
    hasCommandLine: cmdline !== undefined,
    commandLines: [cmdline ?? ""].flat().map(kernelParameters),
    ...(files && { tree: treeOf(files) }),
    ...(platforms && { platforms }),
    ...(profile && { profile }),
    unknown: {},
  };
}
