import { basename } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import type { PublishedEvent } from "../measurements.ts";
import {
  type Contents,
  filesOf,
  type NamedPackage,
  openInitrd,
  packageOfOrigin,
  type PackedFile,
  type PlacedSegment,
  placedSegments,
} from "./contents.ts";

/** Where a file of an image is, who put it there, and which registers it decides. */
export interface FileExplanation {
  file: PackedFile;
  segment: PlacedSegment & { package?: NamedPackage };
  /** Segments before it that hold a file of this name, which the kernel unpacks and then writes over. */
  replaced: string[];
  /** Events whose bytes the file is among. */
  events: { platform: string; register: string; label: string }[];
}

/** A file and the segment that it is in. */
interface Found {
  file: PackedFile;
  segment: PlacedSegment;
}

/** Names that are much like the one asked for, at most. */
const SUGGESTIONS = 3;

/**
 * Explains a file of a built image.
 * @param path absolute, as the running system has it
 * @throws CvmError `no-file` where the image has no such file
 */
export function explainFile(contents: Contents, path: string): FileExplanation {
  const { found, alike } = findFile(contents, path);
  const last = found.at(-1);
  if (last === undefined) throw notFound(contents, { path, alike });
  const initrdBytes = contents.manifest.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const named = packageOfOrigin(contents.manifest, last.segment.origin);
  return {
    file: last.file,
    segment: { ...last.segment, ...(named && { package: named }) },
    replaced: found.slice(0, -1).map(({ segment }) => segment.origin),
    events: contents.measurements.platforms.flatMap(({ name, events }) =>
      events
        .filter((event) => holdsInitrd(event, initrdBytes))
        .map(({ register, label }) => ({ platform: name, register, label })),
    ),
  };
}

function notFound(
  { manifest: { image, fileSystem } }: Contents,
  { path, alike }: { path: string; alike: readonly string[] },
): CvmError {
  const place = fileSystem ? "initrd" : "image";
  const hints = [
    ...(alike.length > 0 ? [`it has ${alike.join(", ")}`] : []),
    ...(fileSystem
      ? [
          `files beside it decide the root hash ${fileSystem.verity.rootHash}, and with it what ` +
            `${image.format === "disk" ? ".cmdline" : ".initrd"} decides: cvm-build inspect --list shows them`,
        ]
      : []),
  ];
  return new CvmError("no-file", `cannot explain file "${path}": expected a file of the ${place}, got none`, {
    ...(hints.length > 0 && { hint: hints.join("; ") }),
  });
}

/** Whether the initrd is among what an event measures: by itself, or in the image that firmware started, which is larger. */
function holdsInitrd({ source, label, type, content }: PublishedEvent, initrdBytes: number): boolean {
  if (source.section === ".initrd") return !label.endsWith("(name)");
  if (type === "PAGE_TYPE_NORMAL" && label.startsWith("SNP_KERNEL_HASHES")) return true;
  const isWhole = content === undefined || content.sizeBytes > initrdBytes;
  return type === "EV_EFI_BOOT_SERVICES_APPLICATION" && source.section === undefined && isWhole;
}

function findFile(contents: Contents, path: string): { found: Found[]; alike: string[] } {
  using initrd = openInitrd(contents);
  const found: Found[] = [];
  const alike = new Set<string>();
  for (const segment of placedSegments(contents.manifest)) {
    for (const file of filesOf(initrd, segment)) {
      if (file.path === path) found.push({ file, segment });
      else if (basename(file.path) === basename(path) && alike.size < SUGGESTIONS) alike.add(file.path);
    }
  }
  return { found, alike: [...alike] };
}
