import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { type DebianRoot, debianFiles, debianRoot } from "../test/support/trixie-root.ts";
import { listFolder, listLargeTree } from "./erofs-tree.ts";
import { printColumns } from "./table.ts";
import { type Figures, median, timed } from "./timed.ts";

// `pnpm bench:erofs`: a tree of real packages written as erofs, plain and in each compression, by us and by `mkfs.erofs` of
// Debian trixie, in turn and in the same minutes; then how much memory a tree of 4 GB takes.
//
//   pnpm bench:erofs             five runs of each
//   pnpm bench:erofs --runs 9
//   pnpm bench:erofs --only lz4

const PACKAGES = [
  ...["linux-image-cloud-amd64", "systemd", "udev", "python3", "perl", "git", "vim", "openssh-server"],
  ...["locales", "iproute2", "nftables", "curl"],
];
const MTIME_CLAMP_SEC = 1_790_000_000;
const UUID = "8be4df61-93ca-81d2-aa0d-00e098032b8c";
const LARGE_BYTES = 4e9;

/** What is compared: options of ours, and of the peer. */
const MODES = [
  { name: "plain", ours: undefined, theirs: [] },
  { name: "lz4", ours: { algorithm: "lz4" }, theirs: ["-zlz4", "-C65536"] },
  { name: "lz4hc", ours: { algorithm: "lz4hc", level: 9 }, theirs: ["-zlz4hc,9", "-C65536"] },
  { name: "zstd", ours: { algorithm: "zstd", level: 3 }, theirs: ["-zzstd,3", "-C65536"] },
] as const;
type Mode = (typeof MODES)[number];

/** One run: a whole process, and of ours what of it `writeErofs` took. */
interface Run {
  process: Figures;
  write: Figures;
  sizeBytes: number;
}

const scratch = mkdtempSync(join(tmpdir(), "cvm-bench-erofs-"));
try {
  const argument = (name: string): string | undefined =>
    process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined;
  const runs = Number(argument("--runs")) || 5;
  const folder = debianFiles("trixie", PACKAGES, /^/);
  const peer = debianRoot("trixie", ["erofs-utils"]);
  if (folder === undefined || !peer) throw new Error("tree and peer come from Debian's archive, with apt-get");
  const { listPath, sizeBytes } = listFolder(folder, newFolder("tree"));
  const modes = MODES.filter(({ name }) => (argument("--only") ?? name) === name);
  console.log(`${Math.round(sizeBytes / 1e6)} MB of files, ${availableParallelism()} cores, medians of ${runs} runs\n`);
  const rows = modes.flatMap((mode) => compare(mode, { runs, listPath, folder, peer }));
  printColumns(["", "wall s", "CPU s", "peak MB", "size MB", "wall x", "CPU x", "size x"], rows);
  console.log(
    `\nOurs compare every content with its SHA-256: ${digestCpuSec(sizeBytes).toFixed(2)} CPU s. The peer does not.`,
  );
  console.log(`\na tree of ${LARGE_BYTES / 1e9} GB\n`);
  const large = listLargeTree(LARGE_BYTES, newFolder("large"));
  const memory = modes
    .filter(({ name }) => name !== "lz4hc")
    .map((mode) => {
      const { process: whole, sizeBytes: imageBytes } = writeOurselves(mode, large.listPath);
      return [
        mode.name,
        whole.wallSec.toFixed(2),
        whole.cpuSec.toFixed(2),
        megabytes(whole.peakBytes),
        megabytes(imageBytes),
      ];
    });
  printColumns(["", "wall s", "CPU s", "peak MB", "size MB"], memory);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** In turn, so that whatever else the machine does falls on both. Ratios are ours over theirs. */
function compare(
  mode: Mode,
  { runs, listPath, folder, peer }: { runs: number; listPath: string; folder: string; peer: DebianRoot },
): string[][] {
  const ours: Run[] = [];
  const theirs: Run[] = [];
  for (let run = 0; run < runs; run++) {
    ours.push(writeOurselves(mode, listPath));
    theirs.push(writeWithPeer(mode, folder, peer));
  }
  const their = medianOf(theirs, "process");
  const row = (name: string, figures: Figures, sizeBytes: number): string[] => [
    `${mode.name}: ${name}`,
    figures.wallSec.toFixed(2),
    figures.cpuSec.toFixed(2),
    Number.isNaN(figures.peakBytes) ? "" : megabytes(figures.peakBytes),
    megabytes(sizeBytes),
    (figures.wallSec / their.wallSec).toFixed(2),
    (figures.cpuSec / their.cpuSec).toFixed(2),
    (sizeBytes / (theirs[0]?.sizeBytes ?? 0)).toFixed(3),
  ];
  const oursBytes = ours[0]?.sizeBytes ?? 0;
  return [
    row("within a build", medianOf(ours, "write"), oursBytes),
    row("as a process", medianOf(ours, "process"), oursBytes),
    row("mkfs.erofs", their, theirs[0]?.sizeBytes ?? 0),
  ];
}

function medianOf(runs: readonly Run[], part: "process" | "write"): Figures {
  return median(runs.map((run) => run[part]));
}

function writeOurselves({ ours }: Mode, listPath: string): Run {
  const [output, report] = [join(scratch, "ours.erofs"), join(scratch, "report.json")];
  rmSync(output, { force: true });
  const options = { uuid: UUID, mtimeClampSec: MTIME_CLAMP_SEC, threads: availableParallelism(), output };
  const request = JSON.stringify({ ...options, ...(ours && { compression: ours }) });
  const program = join(import.meta.dirname, "erofs-ours.ts");
  // As `cvm-build` starts itself.
  const node = [process.execPath, "--max-semi-space-size=4"];
  const whole = timed([...node, program, listPath, request, report], { cwd: scratch });
  const write = JSON.parse(readFileSync(report, "utf8")) as Omit<Figures, "peakBytes">;
  return { process: whole, write: { ...write, peakBytes: Number.NaN }, sizeBytes: statSync(output).size };
}

function writeWithPeer({ theirs }: Mode, folder: string, peer: DebianRoot): Run {
  const output = join(scratch, "theirs.erofs");
  rmSync(output, { force: true });
  const command = [...peer.command("usr/bin/mkfs.erofs"), ...theirs, "--all-root", `-U${UUID}`, output, folder];
  const whole = timed(command, { cwd: scratch });
  return { process: whole, write: whole, sizeBytes: statSync(output).size };
}

/** What SHA-256 of that many bytes takes, in these minutes. */
function digestCpuSec(sizeBytes: number): number {
  const bytes = Buffer.alloc(1 << 17, "a buffer that stays in the processor's cache");
  const hash = createHash("sha256");
  const start = process.cpuUsage();
  for (let done = 0; done < sizeBytes; done += bytes.length) hash.update(bytes);
  hash.digest();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

function newFolder(name: string): string {
  const path = join(scratch, name);
  mkdirSync(path);
  return path;
}

function megabytes(sizeBytes: number): string {
  return (sizeBytes / 1e6).toFixed(1);
}
