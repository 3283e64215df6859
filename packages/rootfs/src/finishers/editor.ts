import type { FileTree } from "@cvm-build/fs-writer";
import type { FinisherContext } from "../finisher.ts";
import { TreeEditor } from "../tree-editor.ts";

/** An editor that signs with a finisher's name and the image's time. */
export function finisherEditor(
  tree: FileTree,
  name: string,
  { profile }: Pick<FinisherContext, "profile">,
): TreeEditor {
  return new TreeEditor(tree, {
    origin: { kind: "finisher", name },
    mtimeSec: profile.content.sourceDateEpochSec,
  });
}
