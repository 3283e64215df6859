import type { FileTree } from "@cvm-build/fs-writer";
import type { OutputSettings, PlatformDeclaration, Profile } from "@cvm-build/profile";
import type { PlatformMeasurements } from "../measurements.ts";
import type { Place } from "./finding.ts";
import type { KernelParameters } from "./kernel-parameters.ts";

/** A platform that an image is for, and what was predicted for it. */
export interface LintPlatform {
  declaration: PlatformDeclaration;
  isSecureBootOn: boolean;
  measured: PlatformMeasurements;
}

/** What of the profile an image was built from matters. */
export type LintProfile = Pick<Profile, "storage" | "validation" | "initOverlay"> & {
  output: Pick<OutputSettings, "format">;
};

/** An image as rules see it. What is not known of it is absent. */
export interface Subject {
  /** Of systemd-stub; undefined where another program starts the kernel. */
  stubMajorVersion: number | undefined;
  /** Whether the image has a command line of its own. */
  hasCommandLine: boolean;
  /** Of each way to boot it: its own first, then those of its profiles. */
  commandLines: readonly KernelParameters[];
  /** It is a kernel alone, and its host says what it is started with. */
  isKernel?: boolean;
  /** The system that runs in the end: what the initrd unpacks to, or what the initrd leads to. */
  tree?: FileTree;
  /** What the initrd unpacks to where that only leads to another system. */
  initrd?: FileTree;
  platforms?: readonly LintPlatform[];
  profile?: LintProfile;
  /** Why that is absent which is. */
  unknown: Partial<Record<Need, string>>;
}

/** What a rule may need to know beside the image's sections. */
export type Need = "tree" | "platforms" | "profile";

/** A subject of which that much is known. */
export type Known<N extends Need> = Subject & Required<Pick<Subject, N>>;

/** Where a command line is said: in the profile of an image that was built here, else in its section. */
export function commandLinePlace(
  { profile, isKernel }: Subject,
  { index, word }: { index: number; word?: string },
): Place {
  const detail = word === undefined ? {} : { detail: word };
  if (profile && index === 0) return { kind: "setting", name: "Content.KernelCommandLine", ...detail };
  if (isKernel) return { kind: "setting", name: "--command-line", ...detail };
  const name = index === 0 ? ".cmdline" : `.cmdline of profile ${index}`;
  return { kind: "section", name, ...detail };
}

/** Places of the command lines for which something holds. */
export function commandLinesWhere(subject: Subject, holds: (parameters: KernelParameters) => boolean): Place[] {
  return subject.commandLines.flatMap((parameters, index) =>
    holds(parameters) ? [commandLinePlace(subject, { index })] : [],
  );
}

/** Places of words in command lines. */
export function wordsWhere(subject: Subject, find: (parameters: KernelParameters) => readonly string[]): Place[] {
  return subject.commandLines.flatMap((parameters, index) =>
    find(parameters).map((word) => commandLinePlace(subject, { index, word })),
  );
}

/** A file as a place. */
export function filePlace(name: string, detail?: string): Place {
  return { kind: "file", name, ...(detail !== undefined && { detail }) };
}

/** A platform as a place. */
export function platformPlace({ declaration }: LintPlatform, detail?: string): Place {
  return { kind: "platform", name: declaration.name, ...(detail !== undefined && { detail }) };
}
