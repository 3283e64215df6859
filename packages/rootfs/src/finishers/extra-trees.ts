import { compareUtf8 } from "@cvm-build/fs-writer";
import { addExtraTree } from "../extra-trees.ts";
import type { PackageFinisher } from "../finisher.ts";

/** `ExtraTrees=`: what the profile lays over its packages. */
export const extraTreesFinisher: PackageFinisher = {
  name: "extra-trees",
  replaces: [],
  finish(tree, { profile, extraTrees }) {
    const paths = new Set<string>();
    for (const extra of extraTrees) {
      for (const path of addExtraTree(tree, extra, { mtimeSec: profile.content.sourceDateEpochSec })) paths.add(path);
    }
    return { summary: `${paths.size} paths of ${extraTrees.length} trees`, paths: [...paths].sort(compareUtf8) };
  },
};
