import { readFileSync } from "node:fs";
import { HASH_ALGORITHMS, openFileSource } from "@cvm-build/bytes";
import { BOOT_PHASES, predictSnpLaunches, predictUkiPhases } from "@cvm-build/measure";

// What `bench/registers.ts` times, as one process that `start.mjs` starts: `phases IMAGE`, `snp FIRMWARE`, `predict OUTPUT`.
// `warm-phases IMAGE` and `predict OUTPUT` time themselves, and print what each run after the first took.

/** What a piece of a process cost. */
export interface Lap {
  wallSec: number;
  cpuSec: number;
}

const [task = "", path = ""] = process.argv.slice(2);
const TASKS: Record<string, () => unknown> = {
  phases,
  "warm-phases": () => laps(phases),
  snp: launchDigests,
  predict: async () => laps(await predictor()),
};
process.stdout.write(JSON.stringify(await TASKS[task]?.()));

/** PCR 11 of a UKI after each phase, in all banks. */
async function phases() {
  using image = openFileSource(path);
  return await predictUkiPhases(image, { banks: HASH_ALGORITHMS, phases: [...BOOT_PHASES], threads: 2 });
}

/** Of one firmware, on machines with 1 to 100 vCPUs. */
function launchDigests(): string[] {
  const counts = Array.from({ length: 100 }, (_, index) => index + 1);
  const launches = predictSnpLaunches({ firmware: readFileSync(path), cpuModel: "EPYC-v4" }, counts);
  return launches.map(({ launchDigest }) => launchDigest);
}

/** Predicts profile minimal, with a command line that is another one each time. */
async function predictor(): Promise<() => Promise<void>> {
  const { predictImage } = await import("@cvm-build/image");
  const { surroundingsOf } = await import("../packages/cli/src/surroundings.ts");
  const surroundings = surroundingsOf({}, { report: () => {}, signal: new AbortController().signal });
  let edits = 0;
  return async () => {
    const settings = [
      { name: "Output.OutputDirectory", value: path },
      { name: "Content.KernelCommandLine", value: `quiet edit=${++edits}` },
    ];
    const { made } = await predictImage(
      {
        ...{ profiles: ["minimal"], settings, ignoreUnsupported: false },
        ...{ lockPolicy: { locked: false, update: false }, artifacts: new Map(), platforms: [] },
      },
      surroundings,
    );
    if (made !== "last-build") throw new Error("expected initrd and kernel of the last build");
  };
}

async function laps(action: () => Promise<unknown>): Promise<Lap[]> {
  const all: Lap[] = [];
  for (let run = 0; run < 8; run++) {
    const [start, used] = [performance.now(), process.cpuUsage()];
    await action();
    const { user, system } = process.cpuUsage(used);
    all.push({ wallSec: (performance.now() - start) / 1e3, cpuSec: (user + system) / 1e6 });
  }
  return all.slice(1);
}
