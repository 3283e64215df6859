import { spawnSync } from "node:child_process";

/** What a whole process cost. */
export interface Figures {
  wallSec: number;
  /** User and system time, of all its threads and children. */
  cpuSec: number;
  /** Largest resident set of any one of its processes. */
  peakBytes: number;
}

const TIME_FORMAT = "cvm-bench %e %U %S %M";

/**
 * Runs a command under GNU time.
 * @throws Error with what it wrote, where it fails
 */
export function timed(command: readonly string[], { cwd }: { cwd: string }): Figures {
  const { status, stderr } = spawnSync("/usr/bin/time", ["--format", TIME_FORMAT, ...command], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
    maxBuffer: 1 << 26,
  });
  const [, wall, user, system, peak] = /^cvm-bench ([\d.]+) ([\d.]+) ([\d.]+) (\d+)$/m.exec(stderr ?? "") ?? [];
  if (status !== 0 || wall === undefined)
    throw new Error(`${command.join(" ")} failed (GNU time is in Debian's package "time"):\n${stderr}`);
  return { wallSec: Number(wall), cpuSec: Number(user) + Number(system), peakBytes: Number(peak) * 1024 };
}

/** The median of each figure by itself. */
export function median(all: readonly Figures[]): Figures {
  const middle = (pick: (figures: Figures) => number): number => {
    const sorted = all.map(pick).sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? Number.NaN;
  };
  return {
    wallSec: middle((each) => each.wallSec),
    cpuSec: middle((each) => each.cpuSec),
    peakBytes: middle((each) => each.peakBytes),
  };
}
