import { compareCodeUnits } from "@cvm-build/bytes";
import {
  type Contents,
  filesOf,
  openInitrd,
  type PackedFile,
  type PlacedSegment,
  placedSegments,
} from "../explain/contents.ts";
import type { Manifest } from "../manifest.ts";

/** What one image has and another has not, or has otherwise. */
export interface Change<T> {
  name: string;
  /** Absent where only the other has it. */
  a?: T;
  b?: T;
}

/** What differs between what two images are made of. */
export interface ContentDifference {
  /** Versions of packages whose files are in the image, and of the stub. */
  packages: Change<string>[];
  /** SHA-256 of artefacts. */
  artifacts: Change<string>[];
  /** The kernel's release, the stub's version, the command line, the root hash of the file system beside the initrd. */
  parts: Change<string>[];
  /** By path, with the segment's origin. */
  files: (Change<PackedFile> & { origin: string })[];
}

/** Compares what two builds made their images of, down to files. Only segments that differ are unpacked. */
export function diffContents(a: Contents, b: Contents): ContentDifference {
  return {
    packages: changesOf(packageVersions(a.manifest), packageVersions(b.manifest)),
    artifacts: changesOf(artifactDigests(a.manifest), artifactDigests(b.manifest)),
    parts: changesOf(partsOf(a.manifest), partsOf(b.manifest)),
    files: diffFiles(a, b),
  };
}

function packageVersions({ packages }: Manifest): Map<string, string> {
  return new Map(packages.map(({ name, version, role }) => [role === "image" ? name : `${name} (${role})`, version]));
}

function artifactDigests({ artifacts }: Manifest): Map<string, string> {
  return new Map(artifacts.map(({ name, sha256 }) => [name, sha256]));
}

function partsOf({ image, kernel, stub, fileSystem }: Manifest): Map<string, string> {
  return new Map([
    ["kernel command line", image.kernelCommandLine],
    ["kernel", kernel?.release ?? ""],
    ["systemd-stub", stub?.version ?? ""],
    // Its files are not among those of the initrd.
    [`root hash of the ${fileSystem?.tree ?? "root"} file system`, fileSystem?.verity.rootHash ?? ""],
  ]);
}

function changesOf(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): Change<string>[] {
  return changedKeys(a, b, (left, right) => left === right).map((name) => ({
    name,
    ...sides(a.get(name), b.get(name)),
  }));
}

function diffFiles(a: Contents, b: Contents): ContentDifference["files"] {
  const segments = { a: placedSegments(a.manifest), b: placedSegments(b.manifest) };
  const known = { a: digestsOf(segments.a), b: digestsOf(segments.b) };
  const files = {
    a: filesIn(
      a,
      segments.a.filter(({ sha256 }) => !known.b.has(sha256)),
    ),
    b: filesIn(
      b,
      segments.b.filter(({ sha256 }) => !known.a.has(sha256)),
    ),
  };
  return changedKeys(files.a, files.b, (left, right) => sameFile(left.file, right.file)).map((name) => {
    const [left, right] = [files.a.get(name), files.b.get(name)];
    return { name, origin: (right ?? left)?.origin ?? "", ...sides(left?.file, right?.file) };
  });
}

function digestsOf(segments: readonly PlacedSegment[]): Set<string> {
  return new Set(segments.map(({ sha256 }) => sha256));
}

function filesIn(
  contents: Contents,
  segments: readonly PlacedSegment[],
): Map<string, { file: PackedFile; origin: string }> {
  if (segments.length === 0) return new Map();
  using initrd = openInitrd(contents);
  return new Map(
    segments.flatMap((segment) =>
      [...filesOf(initrd, segment)].map((file) => [file.path, { file, origin: segment.origin }] as const),
    ),
  );
}

/** Times of change are in the image and are measured too. */
function sameFile(a: PackedFile, b: PackedFile): boolean {
  const keys = ["kind", "mode", "uid", "gid", "mtimeSec", "sizeBytes", "sha256", "target"] as const;
  return keys.every((key) => a[key] === b[key]);
}

function changedKeys<T>(
  a: ReadonlyMap<string, T>,
  b: ReadonlyMap<string, T>,
  isSame: (a: T, b: T) => boolean,
): string[] {
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((name) => {
      const [left, right] = [a.get(name), b.get(name)];
      return left === undefined || right === undefined || !isSame(left, right);
    })
    .sort(compareCodeUnits);
}

function sides<T>(a: T | undefined, b: T | undefined): { a?: T; b?: T } {
  return { ...(a !== undefined && { a }), ...(b !== undefined && { b }) };
}
