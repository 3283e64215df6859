import { join } from "node:path";
import { type ByteSource, CvmError, type Sha256Hex, sliceSource, sourceSha256 } from "@cvm-build/bytes";
import { archivePath, type CpioEntry, readCpio } from "@cvm-build/fs-writer";
import type { BuiltImage } from "../machine.ts";
import type { Manifest } from "../manifest.ts";
import type { Measurements } from "../measurements.ts";
import { openNamedFile } from "../named-file.ts";

/** What a build left beside its image. */
export interface Contents {
  measurements: Measurements;
  manifest: Manifest;
  /** Path of the initrd. */
  initrd: string;
}

/** One compressed archive of the initrd, and who put what is in it there. */
export interface PlacedSegment {
  /** `package:coreutils`, as the manifest has it. */
  origin: string;
  index: number;
  offsetBytes: number;
  sizeBytes: number;
  sha256: Sha256Hex;
}

/** A file as an initrd has it. */
export interface PackedFile {
  /** Absolute. */
  path: string;
  kind: CpioEntry["kind"];
  /** 0..0o7777 */
  mode: number;
  uid: number;
  gid: number;
  mtimeSec: number;
  sizeBytes: number;
  /** Of its bytes; of a symbolic link's target. */
  sha256: Sha256Hex;
  /** Of a symbolic link. */
  target?: string;
}

/**
 * Reads what a build says of its image.
 * @throws CvmError `no-image`
 */
export function readContents({ output }: BuiltImage): Contents {
  return {
    measurements: output.readJson<Measurements>("measurements.json"),
    manifest: output.readJson<Manifest>("manifest.json"),
    initrd: join(output.path, `${output.imageId}.initrd`),
  };
}

/** The segments of an initrd, in their order. */
export function placedSegments({ segments }: Manifest): PlacedSegment[] {
  let offsetBytes = 0;
  return segments.map(({ origin, sizeBytes, sha256 }, index) => {
    const placed = { origin, index, offsetBytes, sizeBytes, sha256 };
    offsetBytes += sizeBytes;
    return placed;
  });
}

/**
 * What a segment of an initrd holds.
 * @throws CvmError `not-measured` where the bytes are not those that the manifest speaks of; FormatError
 */
export function* filesOf(initrd: ByteSource, segment: PlacedSegment): Generator<PackedFile> {
  const { origin, offsetBytes, sizeBytes, sha256 } = segment;
  const slice = sliceSource(initrd, offsetBytes, sizeBytes);
  if (sourceSha256(slice) !== sha256) {
    throw new CvmError("not-measured", `cannot read segment "${origin}": expected SHA-256 ${sha256}, got other bytes`, {
      hint: "the initrd is not the one that manifest.json speaks of; build the image again",
    });
  }
  for (const { data, name, kind, mode, uid, gid, mtimeSec } of readCpio(slice)) {
    yield {
      path: `/${archivePath(name, "cpio")}`.replace(/^\/{2,}/, "/"),
      ...{ kind, mode, uid, gid, mtimeSec },
      sizeBytes: data.sizeBytes,
      sha256: sourceSha256(data),
      ...(kind === "symlink" && { target: data.read(0, data.sizeBytes).toString("utf8") }),
    };
  }
}

/** Opens the initrd beside an image. @throws CvmError `no-image` */
export function openInitrd({ initrd }: Contents) {
  return openNamedFile(initrd, "image");
}

/** What the manifest says of a package that a segment came from. */
export function packageOf({ packages }: Manifest, name: string | undefined) {
  const found = packages.find((entry) => entry.name === name);
  return found && { name: found.name, version: found.version, sha256: found.sha256 };
}

/** A package of an image. */
export type NamedPackage = NonNullable<ReturnType<typeof packageOf>>;

/** The package of an origin such as `package:coreutils`, or undefined where another made it. */
export function packageOfOrigin(manifest: Manifest, origin: string): NamedPackage | undefined {
  return origin.startsWith("package:") ? packageOf(manifest, origin.slice("package:".length)) : undefined;
}
