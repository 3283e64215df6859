import { type ByteSource, CvmError, FormatError } from "@cvm-build/bytes";
import { type FileTree, readCpioTree } from "@cvm-build/fs-writer";
import { isSecureBootOn } from "@cvm-build/measure";
import { effectiveSections, inspectUki, readUki, type Uki, type UkiSections } from "@cvm-build/uki";
import type { PlatformMeasurements } from "../measurements.ts";
import type { ReadyPlatform } from "../platforms/ready-platform.ts";
import { kernelParameters } from "./kernel-parameters.ts";
import type { LintPlatform, Subject } from "./subject.ts";
import { readText } from "./units.ts";

/** More than the initrd of any image; contents are in memory while rules look at them. */
const MAX_INITRD_BYTES = 1 << 30;
const MAX_COMMAND_LINE_BYTES = 1 << 16;
/** Programs of busybox, klibc and util-linux by which an initrd gives way to a root file system. */
const SWITCHES_ROOT = /\b(switch_root|run-init|pivot_root)\b/;
const ELSEWHERE = "its initrd leads to another system: they were held against the initrd alone";

/** What of an image is seen without its platforms and its profile. */
export type ImageFacts = Omit<Subject, "tree" | "initrd" | "platforms" | "profile" | "unknown">;

/** What an initrd unpacks to, or why that is not known. */
export type Unpacked = { tree: FileTree } | { problem: string };

/** What a kernel is started with. */
export interface KernelStart {
  initrd?: ByteSource;
  commandLine?: string;
}

/** An image that was looked at from outside. */
export interface SeenImage extends KernelStart {
  path: string;
  image: ByteSource;
  facts: ImageFacts;
  unpacked: Unpacked;
}

/**
 * Looks at a UKI, or at a kernel with what it is started with.
 * @throws CvmError `no-image` where it is neither, `usage` where a UKI is to be started with more; FormatError
 */
export function readBootImage({ path, image }: { path: string; image: ByteSource }, start: KernelStart): SeenImage {
  const uki = readUki(image);
  if (uki.base.has(".linux")) {
    if (start.initrd || start.commandLine !== undefined) throw hasItsOwn(path);
    return { path, image, facts: subjectOfUki(uki), unpacked: treeOfUki(uki) };
  }
  const { kind } = inspectUki(image);
  if (kind !== "kernel") throw isNeither(path, kind);
  const facts = kernelFacts(start.commandLine ?? "");
  const unpacked = start.initrd ? unpack(start.initrd) : { problem: "no initrd was named: --initrd" };
  return { path, image, ...start, facts, unpacked };
}

/** What a kernel says that is started with a command line. */
export function kernelFacts(commandLine: string): ImageFacts {
  return {
    stubMajorVersion: undefined,
    hasCommandLine: false,
    commandLines: [kernelParameters(commandLine)],
    isKernel: true,
  };
}

/** What the sections of a UKI say. */
export function subjectOfUki(uki: Uki): ImageFacts {
  const texts = Array.from({ length: Math.max(1, uki.profiles.length) }, (_, index) =>
    commandLineOf(effectiveSections(uki, index)),
  );
  return {
    stubMajorVersion: uki.stubVersion?.major,
    hasCommandLine: texts.some((text) => text !== undefined),
    commandLines: texts.map((text) => kernelParameters(text ?? "")),
  };
}

/** What is known of an image's files by what its initrd unpacks to. */
export function subjectOfInitrd(unpacked: Unpacked): Pick<Subject, "tree" | "initrd" | "unknown"> {
  if ("problem" in unpacked) return { unknown: { tree: unpacked.problem } };
  const { tree } = unpacked;
  return leadsElsewhere(tree) ? { initrd: tree, unknown: { tree: ELSEWHERE } } : { tree, unknown: {} };
}

/** Whether an initrd goes on in another system: systemd's do where they say that they are one, others by a program. */
function leadsElsewhere(tree: FileTree): boolean {
  if (tree.follow("/etc/initrd-release") !== undefined) return true;
  const init = readText(tree, "/init") ?? "";
  return init.startsWith("#!") && SWITCHES_ROOT.test(init);
}

/** Platforms with what was predicted for each, in the same order. */
export function lintPlatforms(
  platforms: readonly ReadyPlatform[],
  measured: readonly PlatformMeasurements[],
): LintPlatform[] {
  return platforms.flatMap(({ declaration, variables }, index) => {
    const measurements = measured[index];
    const isOn = variables !== undefined && isSecureBootOn(variables);
    return measurements ? [{ declaration, isSecureBootOn: isOn, measured: measurements }] : [];
  });
}

/** What the initrd of a UKI unpacks to, or why that is not known. */
export function treeOfUki(uki: Uki): Unpacked {
  const initrd = effectiveSections(uki).get(".initrd")?.content;
  return initrd ? unpack(initrd) : { problem: "the image has no initrd" };
}

function unpack(initrd: ByteSource): Unpacked {
  if (initrd.sizeBytes > MAX_INITRD_BYTES) return { problem: "its initrd is too large" };
  try {
    const origin = { kind: "extra", name: ".initrd" } as const;
    return { tree: readCpioTree(initrd, { origin, maxSizeBytes: MAX_INITRD_BYTES }) };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { problem: `its initrd cannot be read: ${error.message}` };
  }
}

/** Text up to the first NUL. */
function commandLineOf(sections: UkiSections): string | undefined {
  const content = sections.get(".cmdline")?.content;
  if (!content) return undefined;
  return content.read(0, Math.min(content.sizeBytes, MAX_COMMAND_LINE_BYTES)).toString("latin1").split("\0")[0];
}

function hasItsOwn(path: string): CvmError {
  return new CvmError("usage", `cannot lint "${path}": expected a kernel, for --initrd and --command-line, got a UKI`, {
    hint: "a UKI has an initrd and a command line of its own",
  });
}

function isNeither(path: string, kind: string): CvmError {
  return new CvmError("no-image", `cannot lint "${path}": expected a UKI or a kernel, got kind ${kind}`, {
    hint: "an add-on is looked at with the UKI that it is for",
  });
}
