import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type ByteSource, FormatError, openFileSource } from "@cvm-build/bytes";
import { isVerity, verifyVerity } from "@cvm-build/fs-writer";
import type { VerityFacts } from "./dissection.ts";
import { VERITY } from "./formats/verity.ts";
import type { RootHashes } from "./mounts.ts";

/** What lies beside a file system that has no partitions, by the names that systemd-dissect looks for. */
export interface Companions {
  verity: VerityFacts;
  problems: string[];
}

const MAX_ROOT_HASH_BYTES = 1 << 10;

/**
 * The hash tree beside an image, `NAME.verity`, and its root hash, `NAME.roothash`.
 * @param place folder and the image's name without its suffix
 * @returns undefined where there is no hash tree
 */
export function verityBeside(
  data: ByteSource,
  { folder, imageName, verify }: { folder: string; imageName: string; verify: boolean },
): Companions | undefined {
  const path = join(folder, `${imageName}.verity`);
  if (!existsSync(path) || !statSync(path).isFile()) return undefined;
  using hash = openFileSource(path);
  if (!isVerity(hash)) return undefined;
  const { verity } = VERITY.describe(hash);
  if (!verity) return undefined;
  const problems: string[] = [];
  const stated = rootHashIn(join(folder, `${imageName}.roothash`));
  if (stated !== undefined && stated !== verity.rootHash) problems.push(`${imageName}.roothash is another root hash`);
  const rootHash = stated ?? verity.rootHash;
  if (verify && rootHash !== undefined) {
    verity.verification = compareVerity({ data, hash }, rootHash);
    if (verity.verification !== "verified") problems.push(`data are damaged: ${verity.verification}`);
  }
  return { verity, problems };
}

/** Root hashes beside a disk: `NAME.roothash`, `NAME.usrhash`. */
export function rootHashesBeside({ folder, imageName }: { folder: string; imageName: string }): RootHashes {
  const root = rootHashIn(join(folder, `${imageName}.roothash`));
  const usr = rootHashIn(join(folder, `${imageName}.usrhash`));
  return { ...(root !== undefined && { root }), ...(usr !== undefined && { usr }) };
}

/** `verified`, or what does not match. */
export function compareVerity(devices: { data: ByteSource; hash: ByteSource }, rootHash: string): string {
  try {
    verifyVerity(devices, { rootHash });
    return "verified";
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return error.message;
  }
}

function rootHashIn(path: string): string | undefined {
  if (!existsSync(path) || statSync(path).size > MAX_ROOT_HASH_BYTES) return undefined;
  return readFileSync(path, "latin1").trim().toLowerCase();
}
