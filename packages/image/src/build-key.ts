import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { canonicalJson, compactCanonicalJson, type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import type { Profile } from "@cvm-build/profile";
import type { ObtainedLock } from "./locking.ts";
import { fileDigest, type OutputDirectory } from "./output.ts";
import { filesOfPlatform, findPlatform, type PlatformPlaces, platformPath } from "./platforms/find-platform.ts";
import { programFingerprint } from "./program.ts";

/** What is remembered of a finished build, beside the image and not part of it. */
interface BuildRecord {
  key: Sha256Hex;
  /** Of what decides the initrd and the kernel alone. */
  systemKey: Sha256Hex;
  /** Digest of every file of the image, by name. */
  files: Record<string, Sha256Hex>;
}

/**
 * Digest of all that decides what a build makes: profile, lock, extra trees and program. Taken before the build reads
 * them, so that what is changed meanwhile is seen by the next.
 */
export function buildKey(profile: Profile, lock: ObtainedLock, places: PlatformPlaces): Sha256Hex {
  const { outputDirectory: _, ...output } = profile.output;
  return sha256Hex(
    compactCanonicalJson({
      system: systemKey(profile, lock),
      profile: { ...profile, output },
      ukiFiles: [...ukiFiles(profile), ...platformFiles(profile.measure.platforms, places)].map(sourceDigest),
      keys: keys(profile).map(stampOf),
    }),
  );
}

/** Digest of all that decides an image's initrd and kernel: what `buildKey` is of, but for what only the UKI is made with. */
export function systemKey(profile: Profile, { text }: ObtainedLock): Sha256Hex {
  const { uki: _, ukiProfiles: _profiles, measure: _measure, validation, ...system } = profile;
  const { outputDirectory: _directory, ...output } = profile.output;
  return sha256Hex(
    compactCanonicalJson({
      program: programFingerprint(),
      lock: sha256Hex(text),
      // A signature of the root hash has a partition of its own.
      verity: { mode: validation.verity, isSigned: validation.verityKey !== undefined },
      profile: { ...system, output, content: { ...profile.content, kernelCommandLine: [] } },
      extraTrees: profile.content.extraTrees.map(({ source }) => sourceDigest(source)),
    }),
  );
}

/** Declarations of platforms, and the files that they name. The default ones are of the program. */
function platformFiles(names: readonly string[], places: PlatformPlaces): string[] {
  return names.flatMap((name) => {
    const path = platformPath(name, places);
    return path === undefined ? [] : [path, ...filesOfPlatform(findPlatform(name, places))];
  });
}

/** Files that a profile names for the UKI: its picture, what it is booted with, the certificate that it is signed with. */
function ukiFiles({ uki, validation, measure }: Profile): string[] {
  const { secureBoot, secureBootCertificate, verityCertificate } = validation;
  const companions = uki.companions.map(({ path }) => path);
  return [
    uki.splash,
    ...uki.sections.map(({ path }) => path),
    ...companions,
    measure.secureBootVariables,
    secureBoot ? secureBootCertificate : undefined,
    verityCertificate,
  ].filter((path) => path !== undefined);
}

function keys({ validation }: Profile): string[] {
  const { secureBoot, secureBootKey, verityKey, signExpectedPcr, signExpectedPcrKeys } = validation;
  return [
    ...(secureBoot && secureBootKey !== undefined ? [secureBootKey] : []),
    ...(verityKey === undefined ? [] : [verityKey]),
    ...(signExpectedPcr ? signExpectedPcrKeys : []),
  ];
}

/** Tells a key's file from another in its place, without reading it. */
function stampOf(reference: string): string {
  const stat = statSync(reference, { throwIfNoEntry: false });
  return stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : "elsewhere";
}

/** Says whether the image in the output directory is of that key, and its files have the digests they were written with. */
export function isUpToDate(output: OutputDirectory, key: Sha256Hex): boolean {
  const record = readRecord(recordPath(output));
  if (record?.key !== key) return false;
  return Object.entries(record.files).every(([name, sha256]) => {
    const path = join(output.path, name);
    return existsSync(path) && fileDigest(path).sha256 === sha256;
  });
}

/** Says whether initrd and kernel in the output directory are those that a build of that key would make. */
export function hasSameSystem(output: OutputDirectory, key: Sha256Hex): boolean {
  const record = readRecord(recordPath(output));
  if (record?.systemKey !== key) return false;
  const { imageId } = output;
  return [`${imageId}.initrd`, `${imageId}.vmlinuz`].every((name) => {
    const path = join(output.path, name);
    return existsSync(path) && fileDigest(path).sha256 === record.files[name];
  });
}

/** Remembers the build that was just published. */
export function rememberBuild(output: OutputDirectory, record: BuildRecord): void {
  writeFileSync(recordPath(output), canonicalJson(record));
}

/** Digest of an extra tree's source. As when it is added, a link there stands for what it leads to. */
function sourceDigest(path: string): Sha256Hex {
  try {
    return treeDigest(realpathSync(path));
  } catch {
    return sha256Hex("unreadable"); // the build says what is wrong with it
  }
}

/** Digest of a file, or of a directory's names, kinds and contents, and of what of their modes enters an image. */
function treeDigest(path: string): Sha256Hex {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return sha256Hex(`symlink ${readlinkSync(path)}`);
  if (stat.isDirectory()) {
    const names = readdirSync(path).sort();
    return sha256Hex(names.map((name) => `${JSON.stringify(name)} ${treeDigest(join(path, name))}\n`).join(""));
  }
  if (!stat.isFile()) return sha256Hex("neither file, directory nor link");
  return sha256Hex(`file ${stat.mode & 0o100 ? "x" : "-"} ${fileDigest(path).sha256}`);
}

function recordPath(output: OutputDirectory): string {
  return join(output.generations, "build.json");
}

function readRecord(path: string): BuildRecord | undefined {
  try {
    const { files, ...record } = JSON.parse(readFileSync(path, "utf8")) as BuildRecord;
    return { ...record, files: { ...files } };
  } catch {
    return undefined; // never built, or torn: building again is right in both cases
  }
}
