/** What a physical cluster holds. */
export interface EncodedCluster {
  /** How many bytes of input it holds. */
  consumedBytes: number;
  /** Good until the next call. */
  bytes: Uint8Array;
}

/** Compresses parts of its input into clusters of limited size. One input after the other, in one thread. */
export interface ClusterEncoder {
  /** Where the input is put, up to its size. */
  readonly input: Buffer;
  /** Is told that what is encoded next is of another file. */
  begin(): void;
  /**
   * Compresses as much of the input from `startBytes` to `endBytes` as gives at most `maxBytes`. The result depends on
   * the input since it began alone.
   */
  encode(range: { startBytes: number; endBytes: number; maxBytes: number }): EncodedCluster;
}
