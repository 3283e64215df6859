import { createHash } from "node:crypto";
import { openSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { type Sha256Hex } from "@cvm-build/bytes";
import { FileTree, packSegments } from "@cvm-build/fs-writer";

/** Packs a file of zeros and prints what that took at most. Run as a process of its own: `pack-large-file.ts FOLDER MIB`. */
const [folder = "", mebibytes = "0"] = process.argv.slice(2);
const path = join(folder, "zeros");
const sizeBytes = Number(mebibytes) << 20;
openSync(path, "w");
truncateSync(path, sizeBytes);
const hash = createHash("sha256");
const zeros = Buffer.alloc(1 << 20);
for (let at = 0; at < sizeBytes; at += zeros.length) hash.update(zeros);
const sha256 = hash.digest("hex") as Sha256Hex;

const origin = { kind: "artifact", name: "chain" } as const;
const tree = new FileTree({ mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, origin });
const content = { sizeBytes, sha256, file: { path, offsetBytes: 0 } };
tree.set("/chain.db", { kind: "file", mode: 0o644, uid: 0, gid: 0, mtimeSec: 0, origin, content });
let made = 0;
const { segments } = await packSegments(tree, {
  cache: {
    lookup: () => undefined,
    reserve: () => join(folder, `${made++}`),
    commit: (_kind, _key, { temporaryPath, ...written }) => ({ path: temporaryPath, ...written }),
    discard: () => {},
  },
  compression: { algorithm: "zstd", level: 3 },
  mtimeClampSec: 0,
  threads: 2,
});
const uncompressedSizeBytes = segments.at(-1)?.uncompressedSizeBytes;
console.log(JSON.stringify({ uncompressedSizeBytes, peakBytes: process.resourceUsage().maxRSS * 1024 }));
