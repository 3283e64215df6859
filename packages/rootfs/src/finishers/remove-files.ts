import type { PackageFinisher } from "../finisher.ts";
import { removeMatches } from "../glob.ts";
import { compareUtf8 } from "@cvm-build/fs-writer";

/** `RemoveFiles=`: what the profile does not want in the image. */
export const removeFilesFinisher: PackageFinisher = {
  name: "remove-files",
  replaces: [],
  finish(tree, context) {
    const paths = removeMatches(tree, context.profile.content.removeFiles).sort(compareUtf8);
    return { summary: `${paths.length} paths removed`, paths };
  },
};
