import { type ByteSource, FormatError } from "@cvm-build/bytes";
import { type FileTree, readCpioTree } from "@cvm-build/fs-writer";
import { isSecureBootOn } from "@cvm-build/measure";
import { effectiveSections, type Uki, type UkiSections } from "@cvm-build/uki";
import type { PlatformMeasurements } from "../measurements.ts";
import type { ReadyPlatform } from "../platforms/ready-platform.ts";
import { kernelParameters } from "./kernel-parameters.ts";
import type { LintPlatform, Subject } from "./subject.ts";

/** More than the initrd of any image; contents are in memory while rules look at them. */
const MAX_INITRD_BYTES = 1 << 30;
const MAX_COMMAND_LINE_BYTES = 1 << 16;

/** What the sections of a UKI say. */
export function subjectOfUki(uki: Uki): Omit<Subject, "unknown"> {
  const texts = Array.from({ length: Math.max(1, uki.profiles.length) }, (_, index) =>
    commandLineOf(effectiveSections(uki, index)),
  );
  return {
    stubMajorVersion: uki.stubVersion?.major,
    hasCommandLine: texts.some((text) => text !== undefined),
    commandLines: texts.map((text) => kernelParameters(text ?? "")),
  };
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
export function treeOfUki(uki: Uki): { tree: FileTree } | { problem: string } {
  const initrd = effectiveSections(uki).get(".initrd")?.content;
  if (!initrd) return { problem: "the image has no initrd" };
  if (initrd.sizeBytes > MAX_INITRD_BYTES) return { problem: "its initrd is too large" };
  return unpack(initrd);
}

function unpack(initrd: ByteSource): { tree: FileTree } | { problem: string } {
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
