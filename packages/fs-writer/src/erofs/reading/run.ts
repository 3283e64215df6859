import type { ErofsAlgorithm } from "../decompression/decode-cluster.ts";

/** A stretch of a file, and where its bytes come from. Runs of a file follow each other without gaps. */
export type ErofsRun = { offsetBytes: number; sizeBytes: number } & (
  | { kind: "hole" }
  | { kind: "stored"; physicalOffsetBytes: number }
  /** In one block at the offsets that its bytes have in the file's blocks, so that they wrap around. */
  | { kind: "interlaced"; physicalOffsetBytes: number }
  | ClusterPlace
  /** In the packed inode. */
  | { kind: "fragment"; packedOffsetBytes: number }
);

/** Where a compressed run is. */
export interface ClusterPlace {
  kind: "cluster";
  physicalOffsetBytes: number;
  physicalSizeBytes: number;
  algorithm: ErofsAlgorithm;
  /** Whether the cluster holds more than this run. */
  isPartial: boolean;
}
