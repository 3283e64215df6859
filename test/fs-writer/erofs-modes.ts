import type { Listed } from "./listed-tree.ts";

/** Options of `mkfs.erofs`, and what the image has of them. */
export interface ErofsMode {
  versions: readonly ("1.5" | "1.8")[];
  args: readonly string[];
  /** Layouts, kinds of runs and algorithms that there must be. */
  kinds?: readonly string[];
  /** What the options change in what is read. */
  adjust?(listed: Listed): Partial<Listed>;
}

const BOTH = ["1.5", "1.8"] as const;
const NEWER = ["1.8"] as const;
const atEpoch = { args: ["-T1700000000"], adjust: () => ({ mtimeSec: 1_700_000_000 }) };
const rooted = (): Partial<Listed> => ({ owner: "0:0" });
const unchanged = { versions: BOTH };

const PLAIN: readonly ErofsMode[] = [
  { ...unchanged, args: [], kinds: ["flatInline", "flatPlain", "stored"] },
  { ...unchanged, args: ["-Enoinline_data"], kinds: ["flatPlain"] },
  { ...unchanged, args: ["-Eforce-inode-compact", ...atEpoch.args], adjust: atEpoch.adjust },
  { ...unchanged, args: ["-Eforce-inode-extended"] },
  { ...unchanged, args: ["--all-root"], adjust: rooted },
  { ...unchanged, args: ["-x-1"], adjust: () => ({ xattrs: {} }) },
  { ...unchanged, args: ["-x1"] },
  { versions: ["1.5"], args: ["--chunksize=4096"], kinds: ["chunkBased"] },
  { versions: NEWER, args: ["--chunksize=4096"], kinds: ["chunkBased", "hole"] },
  { versions: ["1.5"], args: ["--chunksize=65536"], kinds: ["chunkBased"] },
  { versions: NEWER, args: ["--chunksize=65536"], kinds: ["chunkBased", "hole"] },
  { versions: ["1.5"], args: ["--chunksize=4096", "-Eforce-chunk-indexes"], kinds: ["chunkBased"] },
  { versions: NEWER, args: ["--chunksize=4096", "-Eforce-chunk-indexes"], kinds: ["chunkBased", "hole"] },
  { versions: NEWER, args: ["--root-xattr-isize=1024"] },
  { versions: NEWER, args: ["-Exattr-name-filter"] },
  { versions: NEWER, args: ["--xattr-prefix=user.overlay.", "--xattr-prefix=trusted.overlay."] },
  { versions: NEWER, args: ["--dsunit=16"] },
];

const OLD_LZ4: readonly ErofsMode[] = [
  { ...unchanged, args: ["-zlz4"], kinds: ["compressedCompact", "lz4", "stored"] },
  { ...unchanged, args: ["-zlz4hc,12"], kinds: ["compressedCompact", "lz4"] },
  { ...unchanged, args: ["-zlz4", "-C65536"], kinds: ["compressedCompact", "lz4", "big"] },
  { ...unchanged, args: ["-zlz4hc", "-C1048576"], kinds: ["compressedCompact", "lz4", "big"] },
  { ...unchanged, args: ["-zlz4", "-Elegacy-compress"], kinds: ["compressedFull", "lz4"] },
  { ...unchanged, args: ["-zlz4hc", "-Elegacy-compress", "-C65536"], kinds: ["compressedFull", "lz4", "big"] },
  { ...unchanged, args: ["-zlz4", "--max-extent-bytes=8192"], kinds: ["lz4"] },
];

/** Stands for the compressor's algorithm: of files that do not lie in the packed inode as a whole. */
const ALGORITHM = "(algorithm)";
const LAYOUTS: readonly { args: readonly string[]; kinds: readonly string[] }[] = [
  { args: [], kinds: [ALGORITHM, "compressedCompact"] },
  { args: ["-C65536"], kinds: [ALGORITHM, "compressedCompact", "big"] },
  { args: ["-C1048576"], kinds: [ALGORITHM, "compressedCompact", "big"] },
  { args: ["-Elegacy-compress"], kinds: [ALGORITHM, "compressedFull"] },
  { args: ["-Eztailpacking"], kinds: [ALGORITHM, "inline"] },
  { args: ["-Eztailpacking", "-Elegacy-compress", "-C32768"], kinds: [ALGORITHM, "inline", "compressedFull"] },
  { args: ["-Efragments"], kinds: [ALGORITHM, "fragment", "interlaced"] },
  { args: ["-Efragments", "-C65536"], kinds: ["fragment"] },
  { args: ["-Eall-fragments"], kinds: ["fragment"] },
  { args: ["-Ededupe"], kinds: [ALGORITHM, "partial"] },
  { args: ["-Ededupe", "-C65536"], kinds: [ALGORITHM] },
  { args: ["-Ededupe,fragments", "-C16384"], kinds: [ALGORITHM, "fragment"] },
  { args: ["-Eall-fragments,dedupe"], kinds: ["fragment"] },
  { args: ["-Eztailpacking,dedupe"], kinds: [ALGORITHM, "inline"] },
  { args: ["-Eztailpacking,fragments"], kinds: [ALGORITHM, "fragment"] },
];

/** Compressors with their algorithms, and how many of the layouts each is tried with: two are others' with more effort. */
const COMPRESSORS: readonly (readonly [compressor: string, algorithm: string, layouts: number])[] = [
  ["lz4", "lz4", LAYOUTS.length],
  ["lz4hc", "lz4", 5],
  ["lzma", "lzma", LAYOUTS.length],
  ["deflate", "deflate", LAYOUTS.length],
  ["libdeflate", "deflate", 5],
  ["zstd", "zstd", LAYOUTS.length],
];
const COMPRESSED: readonly ErofsMode[] = COMPRESSORS.flatMap(([compressor, algorithm, layouts]) =>
  LAYOUTS.slice(0, layouts).map(({ args, kinds }) => ({
    versions: NEWER,
    args: [`-z${compressor}`, ...args],
    kinds: kinds.map((kind) => (kind === ALGORITHM ? algorithm : kind)),
  })),
);

const BLOCK_SIZES: readonly ErofsMode[] = [512, 1024, 2048].flatMap((blockBytes) =>
  [
    { args: [], kinds: ["flatInline"] },
    { args: ["-zlz4"], kinds: ["lz4"] },
    { args: ["-zzstd", "-C131072"], kinds: ["zstd"] },
    { args: ["-zlz4hc", "-Eztailpacking"], kinds: ["inline"] },
    { args: ["-zlzma", "-Efragments"], kinds: ["fragment"] },
    { args: ["--chunksize=131072"], kinds: ["chunkBased"] },
  ].map(({ args, kinds }) => ({ versions: NEWER, args: [`-b${blockBytes}`, ...args], kinds })),
);

const MIXED: readonly ErofsMode[] = [
  { versions: NEWER, args: ["-zlzma:deflate", "--compress-hints=HINTS"], kinds: ["lzma", "deflate"] },
  {
    versions: NEWER,
    args: ["-zzstd,level=9:lz4hc", "--compress-hints=HINTS", "-Efragments"],
    kinds: ["zstd", "lz4", "fragment"],
  },
  { versions: NEWER, args: ["--xattr-prefix=user.overlay.", "-zlz4", "-Efragments"], kinds: ["fragment"] },
];

/** Every way in which `mkfs.erofs` writes an image. */
export const EROFS_MODES: readonly ErofsMode[] = [...PLAIN, ...OLD_LZ4, ...COMPRESSED, ...BLOCK_SIZES, ...MIXED];
