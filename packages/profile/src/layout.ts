import type { ProfileDisk } from "./profile-disk.ts";

/** How a configuration directory names its parts. */
export interface Layout {
  /** What file names start with: `cvm.` or `mkosi.`. */
  prefix: string;
  /** Directory of the profiles. */
  profiles: string;
  /** Whether services/ and artifacts/ belong to it: a tree of mkosi's may have such directories for other purposes. */
  hasDeclarations: boolean;
}

/** Our own names. */
export const CVM_LAYOUT: Layout = { prefix: "cvm.", profiles: "profiles", hasDeclarations: true };
/** mkosi's names. */
export const MKOSI_LAYOUT: Layout = { prefix: "mkosi.", profiles: "mkosi.profiles", hasDeclarations: false };

/** Tells which names a directory uses, mkosi's only where it has none of ours; undefined where it has neither. */
export function layoutOf(directory: string, disk: ProfileDisk): Layout | undefined {
  const has = (name: string): boolean => disk.kind(`${directory}/${name}`) !== "absent";
  if (has("cvm.conf") || has("cvm.conf.d")) return CVM_LAYOUT;
  return has("mkosi.conf") || has("mkosi.conf.d") || has("mkosi.profiles") ? MKOSI_LAYOUT : undefined;
}
