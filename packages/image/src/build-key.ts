import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { canonicalJson, compactCanonicalJson, type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import type { Profile } from "@cvm-build/profile";
import type { ObtainedLock } from "./locking.ts";
import { fileDigest, type OutputDirectory } from "./output.ts";
import { programFingerprint } from "./program.ts";

/** What a build is made from and where it went. */
interface BuildIdentity {
  profile: Profile;
  obtained: ObtainedLock;
  output: OutputDirectory;
}

/** What is remembered of a finished build, beside the image and not part of it. */
interface BuildRecord {
  key: Sha256Hex;
  /** Digest of every file of the image, by name. */
  files: Record<string, Sha256Hex>;
}

/**
 * Says whether the image in the output directory is what this build would make: the same profile, lock, extra trees and
 * program, and files that still have the digests they were written with.
 */
export function isUpToDate(build: BuildIdentity): boolean {
  const record = readRecord(recordPath(build.output));
  if (record?.key !== buildKey(build)) return false;
  return Object.entries(record.files).every(([name, sha256]) => {
    const path = join(build.output.path, name);
    return existsSync(path) && fileDigest(path).sha256 === sha256;
  });
}

/**
 * Remembers the build that was just published.
 * @param files digest of each file of the image, by name
 */
export function rememberBuild(build: BuildIdentity, files: BuildRecord["files"]): void {
  writeFileSync(recordPath(build.output), canonicalJson({ key: buildKey(build), files } satisfies BuildRecord));
}

function buildKey({ profile, obtained }: BuildIdentity): Sha256Hex {
  const { outputDirectory: _, ...output } = profile.output;
  return sha256Hex(
    compactCanonicalJson({
      program: programFingerprint(),
      lock: sha256Hex(obtained.text),
      profile: { ...profile, output },
      extraTrees: profile.content.extraTrees.map(({ source }) => treeDigest(source)),
    }),
  );
}

/** Digest of a file, or of a directory's names, kinds, modes and contents. */
function treeDigest(path: string): Sha256Hex {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return sha256Hex("absent");
  if (stat.isSymbolicLink()) return sha256Hex(`symlink ${readlinkSync(path)}`);
  if (stat.isDirectory()) {
    const names = readdirSync(path).sort();
    return sha256Hex(names.map((name) => `${JSON.stringify(name)} ${treeDigest(join(path, name))}\n`).join(""));
  }
  return sha256Hex(`file ${stat.mode & 0o111 ? "x" : "-"} ${fileDigest(path).sha256}`);
}

function recordPath(output: OutputDirectory): string {
  return join(output.generations, "build.json");
}

function readRecord(path: string): BuildRecord | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as BuildRecord;
  } catch {
    return undefined; // never built, or torn: building again is right in both cases
  }
}
