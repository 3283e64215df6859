/** How bytes can be compressed, as far as this package reads them. */
export type CompressionFormat = "xz" | "zstd" | "gzip" | "none";

/**
 * The first bytes of each format.
 * @see RFC 8878, 3.1.1; RFC 1952, 2.3.1; The .xz File Format, 2.1.1.1
 */
export const COMPRESSION_MAGICS = {
  xz: Buffer.from("fd377a585a00", "hex"),
  zstd: Buffer.from("28b52ffd", "hex"),
  gzip: Buffer.from("1f8b08", "hex"),
} as const satisfies Record<Exclude<CompressionFormat, "none">, Buffer>;

/** The format that bytes begin with; `none` where it is no known one. */
export function detectCompression(start: Uint8Array): CompressionFormat {
  const names = Object.keys(COMPRESSION_MAGICS) as (keyof typeof COMPRESSION_MAGICS)[];
  const found = names.find((name) =>
    COMPRESSION_MAGICS[name].equals(start.subarray(0, COMPRESSION_MAGICS[name].length)),
  );
  return found ?? "none";
}
