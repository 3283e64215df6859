import type { Sha256Hex } from "@cvm-build/bytes";

/** Who put a node into the tree: the unit in which it is compressed and explained. */
export interface Origin {
  kind: "package" | "artifact" | "extra" | "finisher" | "service";
  /** Package name, artefact name, extra tree as the profile writes it, finisher name, service name. */
  name: string;
}

/** A file's bytes, by value or by place. Plain data, so that it can be handed to a worker. */
export type Content = {
  sizeBytes: number;
  sha256: Sha256Hex;
} & ({ bytes: Uint8Array } | { file: { path: string; offsetBytes: number } });

/** What every node has, whatever it is. */
export interface Attributes {
  /** Permission bits with set-id and sticky bits: 0..0o7777. */
  mode: number;
  uid: number;
  gid: number;
  /** Seconds since 1970, as the source has it; writers clamp it. */
  mtimeSec: number;
  /** Extended attributes by full name (`security.capability`), where there are any. */
  xattrs?: ReadonlyMap<string, Uint8Array>;
  origin: Origin;
}

/** A directory; what is in it follows from the paths of the tree. */
export type DirectoryNode = Attributes & { kind: "directory" };
/** A regular file. */
export type FileNode = Attributes & { kind: "file"; content: Content };
/** A symbolic link; `target` is as written, perhaps relative, perhaps leading nowhere. */
export type SymlinkNode = Attributes & { kind: "symlink"; target: string };
/** A character or block device. */
export type DeviceNode = Attributes & { kind: "char" | "block"; major: number; minor: number };
/** A named pipe. */
export type FifoNode = Attributes & { kind: "fifo" };
/** A node of a `FileTree`. One object under several paths is a hard link. */
export type TreeNode = DirectoryNode | FileNode | SymlinkNode | DeviceNode | FifoNode;
