import { statSync } from "node:fs";
import { CvmError, type Sha256Hex } from "@cvm-build/bytes";
import { FileTree, type Origin, parentOf, readContent } from "@cvm-build/fs-writer";
import { payloadNodes } from "../payload-nodes.ts";
import { landingPath } from "./landing-path.ts";
import type { Payload } from "./payload.ts";
import { unpack, type UnpackTools } from "./unpack.ts";

const DOCUMENTATION = "/usr/share/doc";
/** More than any copyright file of a distribution. */
const MAX_COPYRIGHT_BYTES = 16 << 20;

/** A .deb whose bytes are at hand. */
export interface DebFile {
  /** What messages call it. */
  name: string;
  path: string;
  sha256: Sha256Hex;
}

/**
 * The copyright files of packages, whether or not their image keeps documentation. Payloads are read from the cache, as
 * the build left them; what is not there is decoded again. A package's folder may be a link to that of another package
 * that it depends on: it is followed among the given ones.
 * @param debs every package of the image
 * @returns in the same order; undefined where a package has none
 * @throws CvmError `package` naming one that is damaged, or whose copyright file is too large
 * @see Debian Policy 4.7, 12.5 "Copyright information"
 */
export async function readCopyrightFiles(
  debs: readonly DebFile[],
  tools: UnpackTools,
): Promise<(Buffer | undefined)[]> {
  const sources = debs.map((deb) => ({ kind: "deb" as const, ...deb, sizeBytes: statSync(deb.path).size }));
  const payloads = await unpack(sources, tools);
  const tree = documentationTree(payloads);
  return payloads.map(({ index }) => readCopyright(tree, index.name));
}

/** What packages hold below `DOCUMENTATION`. Where two hold the same path, the first has it. */
function documentationTree(payloads: readonly Payload[]): FileTree {
  const origin: Origin = { kind: "finisher", name: "copyright" };
  const tree = new FileTree({ mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, origin });
  tree.makeDirectories(DOCUMENTATION, origin);
  for (const payload of payloads) {
    for (const [path, node] of payloadNodes(payload, origin)) {
      if (!path.startsWith(`${DOCUMENTATION}/`)) continue;
      const place = landingPath(tree, path, payload.index.name);
      if (tree.has(place)) continue;
      tree.makeDirectories(parentOf(place), origin);
      tree.set(place, node);
    }
  }
  return tree;
}

function readCopyright(tree: FileTree, name: string): Buffer | undefined {
  const path = `${DOCUMENTATION}/${name}/copyright`;
  const node = tree.follow(path);
  if (node?.kind !== "file") return undefined;
  if (node.content.sizeBytes <= MAX_COPYRIGHT_BYTES) return readContent(node.content);
  const expected = `expected at most ${MAX_COPYRIGHT_BYTES} bytes, got ${node.content.sizeBytes}`;
  throw new CvmError("package", `cannot read "${path}" of package "${name}": ${expected}`);
}
