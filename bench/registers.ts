import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, openFileSource } from "@cvm-build/bytes";
import { assembleUki, readKernelRelease, readUki } from "@cvm-build/uki";
import { ovmfFile } from "../test/measure/ovmf-files.ts";
import { type DebianRoot, debianRoot } from "../test/support/trixie-root.ts";
import { debianKernel, debianStub } from "../test/support/uki-parts.ts";
import type { Lap } from "./registers-ours.ts";
import { printTable, type Row } from "./table.ts";
import { type Figures, median, timed } from "./timed.ts";

// `pnpm bench:registers`: registers of large images and of many machines, by us and, where there is one, by a peer, in turn
// in the same minutes. Whole processes, but for a row that says otherwise.
//
//   pnpm bench:registers             five runs of each
//   pnpm bench:registers --runs 9
//   CVM_BENCH_SEV_SNP_MEASURE=/path/to/sev-snp-measure pnpm bench:registers    with a checkout of it as a peer

const CVM_BUILD = join(import.meta.dirname, "../cvm-build");
const OURS = [join(import.meta.dirname, "start.mjs"), join(import.meta.dirname, "registers-ours.ts")];

/** A project with a platform that boots a kernel: none of those that cvm-build brings does. */
const KERNEL_PLATFORM = `description: QEMU with any OVMF, a TPM, and a kernel by -kernel
boot: kernel-bzimage
machine: { optionRoms: false, version: "10.0", memory: 2G, cpus: 1 }
`;
const MEMORY = "1G,1536M,2G,3G,4G,6G,8G,16G,32G,64G";
const QEMU = "7.2,8.2,9.0,9.1,9.2,10.0,10.1,10.2,11.0,11.1";
/** Machines of a matrix. */
const CELLS = ["--memory", MEMORY, "--qemu", QEMU, "--cpus", "1-10"];

const scratch = mkdtempSync(join(tmpdir(), "cvm-bench-registers-"));
try {
  const runs = Number(process.argv[process.argv.indexOf("--runs") + 1]) || 5;
  mkdirSync(join(scratch, "platforms"));
  writeFileSync(join(scratch, "platforms/kernel.yaml"), KERNEL_PLATFORM);
  console.log(`medians of ${runs} runs; load ${loadavg()[0]?.toFixed(1)} before`);
  const large = makeUki("large.efi", 100_000_000);
  print("PCR 11 of a UKI of 100 MB, each phase, four banks", inTurn(phaseRows(large), runs));
  print("launch digests of SEV-SNP, 1 to 100 vCPUs", inTurn(launchRows(), runs));
  print("one setting of profile minimal changed", predictRows(runs));
  print("a matrix of 1,000 machines", inTurn(matrixRows(), runs));
  const huge = makeUki("huge.efi", 1_000_000_000);
  print("memory, by size of the UKI", inTurn([...memoryRows("100 MB", large), ...memoryRows("1 GB", huge)], 1));
  console.log(`\nload ${loadavg()[0]?.toFixed(1)} after`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** A row whose figures are still to be had. */
interface Contest extends Omit<Row, "figures"> {
  run: () => Figures;
}

/** In turn, so that whatever else the machine does falls on all. */
function inTurn(contests: readonly Contest[], runs: number): Row[] {
  const all = contests.map((): Figures[] => []);
  for (let run = 0; run < runs; run++) {
    for (const [index, contest] of contests.entries()) all[index]?.push(contest.run());
  }
  return contests.map((contest, index) => ({ ...contest, figures: median(all[index] ?? []) }));
}

function print(title: string, rows: readonly Row[]): void {
  console.log(`\n${title}`);
  printTable(rows);
}

/** A UKI of about that size, most of it an initrd of zeros, which takes no room as a file. */
function makeUki(name: string, sizeBytes: number): string {
  const [stub, kernel] = [debianStub("trixie"), debianKernel()?.path];
  if (!stub || !kernel) throw new Error("stub and kernel come from Debian's archive, with apt-get");
  const [output, initrd] = [join(scratch, name), join(scratch, `${name}.initrd`)];
  using kernelSource = openFileSource(kernel);
  using stubSource = openFileSource(stub);
  writeFileSync(initrd, "");
  truncateSync(initrd, sizeBytes - kernelSource.sizeBytes - stubSource.sizeBytes);
  using initrdSource = openFileSource(initrd);
  assembleUki({
    stub: stubSource,
    sections: [
      { name: ".linux", content: [kernelSource] },
      { name: ".initrd", content: [initrdSource] },
      { name: ".osrel", content: [bytesSource(Buffer.from("ID=bench\nVERSION_ID=1\n"))] },
      { name: ".cmdline", content: [bytesSource(Buffer.from("console=ttyS0 quiet"))] },
      { name: ".uname", content: [bytesSource(Buffer.from(readKernelRelease(kernelSource)))] },
    ],
    output,
  });
  return output;
}

function ours(...args: string[]): Figures {
  return timed([process.execPath, ...OURS, ...args], { cwd: scratch });
}

function cvmBuild(...args: string[]): Figures {
  return timed([CVM_BUILD, ...args, "--json"], { cwd: scratch });
}

function phaseRows(image: string): Contest[] {
  return [
    { name: "predicted", reach: "0.5 x the peer", run: () => ours("phases", image) },
    { name: "the same in a process that has it loaded", run: () => warm("warm-phases", image) },
    { name: "peer: systemd-measure calculate", run: () => runSystemdMeasure(image) },
  ];
}

function runSystemdMeasure(image: string): Figures {
  const root = systemdRoot();
  using source = openFileSource(image);
  // What is in the image is given to it as files; these are written before it starts.
  const sections = [...readUki(source).base].map(([name, { content }]) => {
    const path = name === ".initrd" ? `${image}.initrd` : join(scratch, `section${name}`);
    if (name !== ".initrd") writeFileSync(path, content.read(0, content.sizeBytes));
    return `--${name.slice(1)}=${path}`;
  });
  return timed([...root.command("usr/lib/systemd/systemd-measure"), "calculate", ...sections], { cwd: scratch });
}

function systemdRoot(): DebianRoot {
  const root = debianRoot("trixie", ["systemd-ukify", "systemd", "sbsigntool"]);
  if (!root) throw new Error("the peer comes from Debian's archive, with apt-get");
  return root;
}

function launchRows(): Contest[] {
  const firmware = firmwareFile("sid/ovmf/OVMF.amdsev.fd");
  const image = join(scratch, "large.efi");
  const measure = ["measure", image, "--platform", "qemu-snp", "--firmware", firmware, "--cpus", "1-100"];
  const checkout = process.env["CVM_BENCH_SEV_SNP_MEASURE"];
  return [
    { name: "predicted", reach: "1 s", run: () => ours("snp", firmware) },
    { name: "cvm-build measure, with hashes of the UKI", reach: "1 s", run: () => cvmBuild(...measure) },
    ...(checkout ? [{ name: "peer: sev-snp-measure", run: () => runSevSnpMeasure(checkout, firmware) }] : []),
  ];
}

/** One Python process for all: started for each, it would take longer. */
function runSevSnpMeasure(checkout: string, firmware: string): Figures {
  const program = [
    "import sys",
    `sys.path.insert(0, ${JSON.stringify(checkout)})`,
    "from sevsnpmeasure import guest, vcpu_types",
    "from sevsnpmeasure.sev_mode import SevMode",
    "signature = vcpu_types.CPU_SIGS['EPYC-v4']",
    `digest = lambda n: guest.calc_launch_digest(SevMode.SEV_SNP, n, signature, ${JSON.stringify(firmware)}, '', '', '', 1)`,
    "for n in range(1, 101): print(digest(n).hex())",
  ];
  return timed(["python3", "-c", program.join("\n")], { cwd: scratch });
}

function firmwareFile(name: string): string {
  const path = ovmfFile(name);
  if (path === undefined) throw new Error("firmware comes from Debian's archive, with apt-get");
  return path;
}

/** What the last build left is made here, once. */
function predictRows(runs: number): Row[] {
  const directory = join(scratch, "build");
  const project = ["-C", join(import.meta.dirname, ".."), "--profile", "minimal"];
  const output = ["--set", `Output.OutputDirectory=${directory}`];
  cvmBuild("build", ...project, ...output);
  let edits = 0;
  const whole = (): Figures =>
    cvmBuild("predict", ...project, ...output, "--set", `Content.KernelCommandLine=quiet edit=${++edits}`);
  const contest = { name: "cvm-build predict", reach: "0.2 s", run: whole };
  return [
    ...inTurn([contest], runs),
    { name: "the same in a process that has it loaded", reach: "0.2 s", figures: warm("predict", directory) },
  ];
}

/** What a piece of work takes in a process that has done it before. */
function warm(...args: string[]): Figures {
  const cwd = join(import.meta.dirname, "..");
  const stdout = execFileSync(process.execPath, [...OURS, ...args], { cwd, encoding: "utf8" });
  return median((JSON.parse(stdout) as Lap[]).map((lap) => ({ ...lap, peakBytes: Number.NaN })));
}

function matrixRows(): Contest[] {
  const ovmf = firmwareFile("trixie/ovmf/OVMF.fd");
  const file = (name: string) => join(scratch, "build/minimal", `minimal.${name}`);
  const [uki, kernel] = [file("efi"), [file("vmlinuz"), "--initrd", file("initrd"), "--command-line", "quiet"]];
  const on = (platform: string, image: readonly string[], firmware: string, cells: readonly string[]): Contest => ({
    name: platform,
    reach: "5 s",
    run: () => cvmBuild("measure", ...image, "--platform", platform, "--firmware", firmware, ...cells),
  });
  const models = "EPYC,EPYC-Rome,EPYC-Milan,EPYC-Genoa,EPYC-Turin";
  return [
    on("qemu-snp", [uki], firmwareFile("sid/ovmf/OVMF.amdsev.fd"), [
      ...["--cpu-model", models, "--cpus", "1-100", "--qemu", "10.0,10.1"],
    ]),
    on("qemu-tdx", [uki], ovmf, CELLS),
    on("qemu-ovmf", [uki], ovmf, CELLS),
    on("kernel", kernel, ovmf, CELLS),
  ];
}

function memoryRows(size: string, image: string): Contest[] {
  return [
    { name: `${size}: PCR 11`, run: () => ours("phases", image) },
    { name: `${size}: cvm-build measure, all registers`, run: () => cvmBuild("measure", image) },
  ];
}
