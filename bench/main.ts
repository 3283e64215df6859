import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { unpackWithDpkg } from "./dpkg.ts";
import { buildWithMkosi, findMkosi } from "./mkosi.ts";
import { printTable, type Row } from "./table.ts";
import { type Figures, median, timed } from "./timed.ts";

// `pnpm bench`: the peer's baseline, built as its users build it. Prints a table and leaves nothing behind. Peers run in
// the same minutes on the same machine, so that the ratios hold where the seconds do not.
//
//   pnpm bench                                   three runs of each
//   pnpm bench --runs 7
//   CVM_BENCH_MKOSI=/path/to/mkosi pnpm bench    with mkosi itself as a peer, as bench/mkosi.ts says

const CVM_BUILD = join(import.meta.dirname, "../cvm-build");

const scratch = mkdtempSync(join(tmpdir(), "cvm-bench-"));
try {
  const runs = Number(process.argv[process.argv.indexOf("--runs") + 1]) || 3;
  console.log(
    `Packages of Debian trixie, 82 as one UKI and 87 as a disk: ${availableParallelism()} cores, medians of ${runs} runs\n`,
  );
  printTable(bench(runs));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function bench(runs: number): Row[] {
  const project = join(scratch, "project");
  const store = join(scratch, "store");
  mkdirSync(project);
  cpSync(join(import.meta.dirname, "profiles"), join(project, "profiles"), { recursive: true });
  const buildOf = (profile: string, flags: string[]): Figures =>
    timed([CVM_BUILD, "--profile", profile, "--cache-dir", store, "--quiet", ...flags], { cwd: project });
  const build = (...flags: string[]): Figures => buildOf("baseline", flags);
  const measure = (action: () => Figures): Figures => median(Array.from({ length: runs }, action));

  build();
  buildOf("baseline-disk", []);
  const lock = join(project, "build/baseline/cvm.lock");
  let edits = 0;
  const rows: Row[] = [
    {
      name: "packages cached, nothing unpacked",
      reach: "4 s, 400 MB",
      figures: measure(() => {
        rmSync(join(store, "derived"), { recursive: true, force: true });
        return build("--force");
      }),
    },
    { name: "everything cached, built again", figures: measure(() => build("--force")) },
    { name: "nothing changed", reach: "0.5 s", figures: measure(() => build()) },
    {
      name: "one service file changed",
      reach: "1 s",
      figures: measure(() => {
        describeService(project, `edit ${++edits}`);
        return build();
      }),
    },
    {
      name: "disk, packages cached, nothing unpacked",
      reach: "6 s, 400 MB",
      figures: measure(() => {
        rmSync(join(store, "derived"), { recursive: true, force: true });
        return buildOf("baseline-disk", ["--force"]);
      }),
    },
    { name: "disk, everything cached, built again", figures: measure(() => buildOf("baseline-disk", ["--force"])) },
    {
      name: "peer: dpkg-deb | tar, one package after another",
      figures: measure(() => unpackWithDpkg(store, lock, scratch)),
    },
  ];
  const mkosi = findMkosi();
  if (mkosi === undefined) return rows;
  return [...rows, { name: "peer: mkosi, packages cached", figures: measure(() => buildWithMkosi(mkosi, scratch)) }];
}

function describeService(project: string, description: string): void {
  const path = join(project, "profiles/baseline/services/beacon.yaml");
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replace(/^description: .*$/m, `description: ${description}`));
}
