import { readFileSync, writeFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import type { Content, ErofsOptions, TreeNode } from "@cvm-build/fs-writer";

// What `bench/erofs.ts` times, as one process: a tree, which is JSON in the file that the first argument names, becomes an
// image with the options that are JSON in the second. What `writeErofs` took goes into the file that the third names.

/** A node as the file has it. */
export type ListedNode =
  | { path: string; kind: "directory"; mode: number; mtimeSec: number }
  | { path: string; kind: "symlink"; mode: number; mtimeSec: number; target: string }
  | { path: string; kind: "file"; mode: number; mtimeSec: number; content: Content };

enableCompileCache();
const { FileTree, writeErofs } = await import("@cvm-build/fs-writer");
const origin = { kind: "package", name: "bench" } as const;
const [listPath = "", options = "", reportPath] = process.argv.slice(2);
const [root, ...nodes] = JSON.parse(readFileSync(listPath, "utf8")) as ListedNode[];
const tree = new FileTree({ mode: root?.mode ?? 0o755, uid: 0, gid: 0, mtimeSec: root?.mtimeSec ?? 0, origin });
for (const { path, ...node } of nodes) tree.set(path, { ...node, uid: 0, gid: 0, origin } as TreeNode);
const [startMs, startCpu] = [performance.now(), process.cpuUsage()];
const written = await writeErofs(tree, JSON.parse(options) as ErofsOptions & { output: string });
const { user, system } = process.cpuUsage(startCpu);
const report = { ...written, wallSec: (performance.now() - startMs) / 1e3, cpuSec: (user + system) / 1e6 };
if (reportPath === undefined) process.stdout.write(`${JSON.stringify(report)}\n`);
else writeFileSync(reportPath, JSON.stringify(report));
