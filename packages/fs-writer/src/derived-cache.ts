import type { Sha256Hex } from "@cvm-build/bytes";

/** An object computed from others and kept between builds: an unpacked payload, a compressed segment. */
export interface DerivedObject {
  path: string;
  sizeBytes: number;
  /** Digest of the file at `path`. Whoever reads the bytes compares: a derived object is not flushed to disk, so that a
   * power cut may leave it torn. */
  sha256: Sha256Hex;
  /** What the producer wants to find again without opening the object, as JSON. */
  meta: unknown;
}

/** Where derived objects live. The store is one; a temporary folder will do. */
export interface DerivedCache {
  /** The object of that kind and key, or undefined where there is none or its size is wrong. */
  lookup(kind: string, key: Sha256Hex): DerivedObject | undefined;
  /** A fresh path in the cache's file system, for a producer (perhaps in a worker) to write to. */
  reserve(): string;
  /** Moves what was written at `temporaryPath` into place. Safe when two builds commit the same key. */
  commit(
    kind: string,
    key: Sha256Hex,
    written: { temporaryPath: string; sizeBytes: number; sha256: Sha256Hex; meta: unknown },
  ): DerivedObject;
  /** Forgets an object that turned out to be torn. */
  discard(kind: string, key: Sha256Hex): void;
}
