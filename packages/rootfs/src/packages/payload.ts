import type { Sha256Hex } from "@cvm-build/bytes";

/** Bumped when what a payload or its index holds changes: part of the cache key. */
export const PAYLOAD_FORMAT = 1;

/** The maintainer scripts of a Debian package, in the order dpkg may run them. */
export const SCRIPT_NAMES = ["config", "preinst", "postinst", "prerm", "postrm"] as const;
export type ScriptName = (typeof SCRIPT_NAMES)[number];

/** One entry of an archive, as its header has it. */
export interface PayloadEntry {
  /** Absolute and normalised: `/usr/bin/reth`. Symbolic links on the way are not followed yet. */
  path: string;
  kind: "directory" | "file" | "hardlink" | "symlink" | "char" | "block" | "fifo";
  /** 0..0o7777. */
  mode: number;
  uid: number;
  gid: number;
  mtimeSec: number;
  /** Of a symbolic link as written; of a hard link the path of the other entry, absolute and normalised. */
  target?: string;
  major?: number;
  minor?: number;
  /** Extended attributes by full name, values in base64. */
  xattrs?: Record<string, string>;
  /** Of a file: where its bytes stand in the uncompressed archive. */
  sizeBytes?: number;
  offsetBytes?: number;
  sha256?: Sha256Hex;
}

/** What is kept beside a payload, so that a warm build does not open the .deb. Plain JSON. */
export interface PayloadIndex {
  name: string;
  version: string;
  architecture: string;
  /** Names of the packages whose files it may take over. */
  replaces: string[];
  entries: PayloadEntry[];
  /** Texts of the maintainer scripts it has, Latin-1 so that every byte survives. */
  scripts: Partial<Record<ScriptName, string>>;
  conffiles: string[];
  /** Text of the `triggers` control file. */
  triggers?: string;
}

/** An unpacked package or archive: its index, and the uncompressed tar archive that holds the bytes. */
export interface Payload {
  index: PayloadIndex;
  tarPath: string;
}
