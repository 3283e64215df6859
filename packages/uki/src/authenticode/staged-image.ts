import { chmodSync, constants, copyFileSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { FormatError } from "@cvm-build/bytes";
import { ukiError } from "../error.ts";

/** An image to be changed. */
export interface ImageChange {
  image: string;
  /** Path of the changed image, which may be the image's own; what was there is replaced. */
  output: string;
  /** What is done to it, as errors say it. */
  verb: "sign" | "unsign";
}

/** A copy of an image that may be changed. */
export interface StagedImage {
  path: string;
  /** Path of the image that it is of, for errors. */
  name: string;
}

/**
 * Copies an image beside where it is to be, changes the copy, and moves it there. Nothing else ever stands at the output.
 * @throws CvmError `signature` where the image is none; `uki-output` where it cannot be read or written
 */
export async function changeImage<T>(
  { image, output, verb }: ImageChange,
  change: (staged: StagedImage) => Promise<T>,
): Promise<T> {
  let folder: string | undefined;
  try {
    folder = mkdtempSync(join(dirname(output), ".image-"));
    const copy = join(folder, basename(output));
    copyFileSync(image, copy, constants.COPYFILE_FICLONE);
    chmodSync(copy, 0o644);
    const result = await change({ path: copy, name: image });
    renameSync(copy, output);
    return result;
  } catch (error) {
    if (error instanceof FormatError) {
      const got = `got something else (${error.message})`;
      throw ukiError("signature", `cannot ${verb} image "${image}": expected a PE image, ${got}`, { cause: error });
    }
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    const message = `cannot ${verb} image "${image}" as "${output}": ${(error as Error).message}`;
    throw ukiError("uki-output", message, { cause: error });
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}
