import { sep } from "node:path";
import { canonicalJson, CvmError, FormatError } from "@cvm-build/bytes";
import { EROFS_FORMAT_VERSION, SEGMENT_FORMAT_VERSION } from "@cvm-build/fs-writer";
import type { Build } from "./build-under-way.ts";
import { fetchInputs, type Inputs } from "./inputs.ts";
import { MAKERS } from "./layouts/makers.ts";
import { LINT_FILE } from "./lint/finding.ts";
import { LOCK_FILE, type ObtainedLock } from "./locking.ts";
import { manifestOf } from "./manifest.ts";

/** How often a build begins: a prune that is under way may take something away twice. */
const MAX_ATTEMPTS = 3;

/**
 * Writes an image; once more where the store turns out to be damaged, or lost something to a prune meanwhile. Bytes are
 * compared with their digests when they are read, so that a build that reads little checks little; what is damaged is
 * then cleared away, and had again.
 * @throws CvmError `damaged` where the store goes on losing files, `tool-version`
 */
export async function writeSoundImage(build: Build): Promise<void> {
  const { obtained, store, surroundings } = build;
  checkTools(obtained);
  for (let attempt = 1; ; attempt++) {
    try {
      await writeImage(build, await fetchInputs({ ...build, lock: obtained.lock }));
      return;
    } catch (error) {
      const lost = missingBelow(surroundings.cacheDirectory, error);
      if (attempt === MAX_ATTEMPTS) throw lost === undefined ? error : lostAgain(lost, error);
      const isMended = lost !== undefined || (isAboutBytes(error) && (await store.verifyAll()).damaged.length > 0);
      if (!isMended) throw error;
    }
  }
}

/** What bears on the bytes of an image beside its inputs must be what the lock was made with. */
function checkTools({ lock }: ObtainedLock): void {
  const ours: Record<keyof typeof lock.tools, string | number | undefined> = {
    zstd: process.versions.zstd,
    segmentFormat: SEGMENT_FORMAT_VERSION,
    erofsFormat: EROFS_FORMAT_VERSION,
  };
  for (const [tool, locked] of Object.entries(lock.tools)) {
    const found = ours[tool as keyof typeof ours];
    if (found === locked) continue;
    throw new CvmError("tool-version", `cannot use lock: expected ${tool} ${locked}, got ${found ?? "none"}`, {
      hint: "use the cvm-build and the Node that made the lock, or make a new one with cvm-build lock",
    });
  }
}

/** The file of a folder that was there and is not, where that is at the bottom of an error. */
function missingBelow(folder: string, error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, path } = error as NodeJS.ErrnoException;
  return code === "ENOENT" && path?.startsWith(`${folder}${sep}`) ? path : missingBelow(folder, error.cause);
}

function lostAgain(path: string, cause: unknown): CvmError {
  return new CvmError("damaged", `cannot read "${path}": expected the store to keep what is in it, got nothing there`, {
    hint: "something takes files out of the store: let it end, and run again",
    cause,
  });
}

/** Whether bytes that were not what they should be are at the bottom of an error. */
function isAboutBytes(error: unknown): boolean {
  return error instanceof FormatError || (error instanceof Error && isAboutBytes(error.cause));
}

async function writeImage(build: Build, inputs: Inputs): Promise<void> {
  const made = await MAKERS[build.profile.output.format](build, inputs);
  const { obtained, generation, surroundings } = build;
  const { measurements, lint, ...parts } = made;
  const manifest = manifestOf({ ...build, ...parts, directory: surroundings.directory });
  generation.write("measurements.json", canonicalJson(measurements));
  generation.write("manifest.json", canonicalJson(manifest));
  if (lint) generation.write(LINT_FILE, canonicalJson(lint));
  generation.write(LOCK_FILE, obtained.text);
}
