import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Figures, timed } from "./timed.ts";

/** The mkosi that `CVM_BENCH_MKOSI` names; it and the 38 packages that it needs are for who runs the benchmark to bring. */
export function findMkosi(): string | undefined {
  return process.env["CVM_BENCH_MKOSI"] || undefined;
}

/** Builds the baseline with mkosi, from its own package cache: the first build fills it and is not counted. */
export function buildWithMkosi(mkosi: string, scratch: string): Figures {
  const project = join(scratch, "mkosi");
  const isFirst = mkdirSync(project, { recursive: true }) !== undefined;
  cpSync(join(import.meta.dirname, "mkosi/mkosi.conf"), join(project, "mkosi.conf"));
  if (isFirst) timed([mkosi, "--force", "build"], { cwd: project });
  rmSync(join(project, "mkosi.output"), { recursive: true, force: true });
  return timed([mkosi, "--force", "--cache-only=always", "build"], { cwd: project });
}
