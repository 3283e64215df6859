import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { digest, HASH_ALGORITHMS, openFileSource } from "@cvm-build/bytes";
import {
  compareWithLog,
  type EventLog,
  type PcrValues,
  predictBoot,
  type Prediction,
  predictPcr0,
  readEventLog,
  readOvmf,
  secureBootVariablesOf,
  tcgCpu,
  withPcr0,
} from "@cvm-build/measure";
import type { Proof } from "@cvm-build/image";
import { readVariableStore } from "@cvm-build/uki";
import { collectEvidence, findTools, type Host, probeHost, type VmTools } from "@cvm-build/vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ovmfFile } from "../measure/ovmf-files.ts";
import { cvmBuildJson } from "../support/cli.ts";
import { debianQemu } from "../support/debian-qemu.ts";
import { requirePeers } from "../support/peers.ts";
import { MatrixImages, type RowImage } from "./matrix-images.ts";
import { AXES, type Row, ROWS, whyApart } from "./matrix-rows.ts";

/** Boots too, reads the TPM from between QEMU and swtpm, and shares no code with us. */
const ORACLE = join(import.meta.dirname, "../../../shared/tools/measured-boot/boot.py");
const canBoot = requirePeers("qemu-system-x86_64", "swtpm");
/** `CVM_BOOT_MATRIX=all` boots every row; otherwise those do that meet each value of each column once. */
const isLong = process.env["CVM_BOOT_MATRIX"] === "all";
const PCRS = Array.from({ length: 16 }, (_, pcr) => pcr);
const MACHINES = { small: { memoryMiB: 1024, cpus: 1 }, large: { memoryMiB: 3072, cpus: 2 } } as const;
/** Nothing that is predicted here comes after the kernel's first line. There is no init to start, so that it ends in panic. */
const KERNEL_SPEAKS = ["Linux version", "Kernel panic - not syncing: VFS"];
const TIMEOUT_SEC = 280;

const nameOf = ({ path, ovmf, image, content, size, qemu }: Row) =>
  `${path}, OVMF of ${ovmf}, ${typeof image === "number" ? `stub ${image}` : image}, ${content}, ${size}, QEMU ${qemu}`;
const named = (rows: readonly Row[]) => rows.map((row) => [nameOf(row), row] as const);

describe("the matrix of boots", () => {
  it("has every value of every column meet every other's, where they can", () => {
    const rows = ROWS.filter(({ qemu }) => qemu !== "11");
    const values = (axis: (typeof AXES)[number]) => [...new Set(rows.map((row) => row[axis]))];
    const missing = AXES.flatMap((a, index) =>
      AXES.slice(index + 1).flatMap((b) =>
        values(a).flatMap((x) => values(b).map((y) => ({ pair: `${x} + ${y}`, x, y, a, b }))),
      ),
    ).filter(({ a, b, x, y }) => !whyApart(x, y) && !rows.some((row) => row[a] === x && row[b] === y));
    expect(missing.map(({ pair }) => pair)).toEqual([]);
  });
});

describe.skipIf(!canBoot)("real boots", () => {
  const folder = mkdtempSync(join(tmpdir(), "cvm-matrix-"));
  const scratch = join(folder, "scratch");
  const qemus = new Map<Row["qemu"], string | undefined>();
  const rows = ROWS.filter(({ inShort }) => isLong || inShort);
  const ready = new Map<Row, ReadyRow>();

  // All is predicted before anything is booted; hashing would also keep guests waiting for whoever reads their console.
  beforeAll(async () => {
    mkdirSync(scratch);
    const images = await MatrixImages.create(folder);
    const host = execFileSync("qemu-system-x86_64", ["--version"], { encoding: "utf8" });
    qemus.set("7.2", host.includes("version 7.2.") ? "qemu-system-x86_64" : undefined);
    qemus.set("10", debianQemu("trixie", folder));
    if (isLong) qemus.set("11", debianQemu("sid", folder));
    for (const row of rows) {
      const prepared = await prepare(row, images);
      if (prepared) ready.set(row, prepared);
      else expect(process.env["CI"], `${nameOf(row)}: parts missing under CI`).toBeUndefined();
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.concurrent.for(named(rows))("%s", async ([, row], { skip, expect: check }) => {
    const prepared = ready.get(row);
    if (!prepared) return skip("its parts are not to be had");
    const { image, machine, prediction } = prepared;
    check(accountOf(prediction)).toEqual(PCRS.map((pcr) => [`pcr${pcr}`, 1]));
    check(showsWhatItIsFor(row, prediction)).toBe(true);

    const evidence = await collectEvidence({
      ...machine,
      ...{ imagePath: image.imagePath, path: image.vmPath, network: "none", temporaryDirectory: scratch },
      ...(image.vmPath.kind === "esp" && { espFiles: image.espFiles }),
      until: KERNEL_SPEAKS.map((text) => ({ kind: "serial-contains", text })),
      timeoutSec: TIMEOUT_SEC,
    });
    const log = readEventLog(evidence.eventLog);
    check(differences(prediction, { log, registers: evidence.pcrs })).toEqual([]);
    const chosen = choicesOf(prediction, { log, registers: evidence.pcrs });
    check(chosen).not.toContain(undefined);
    if (isLong) console.log(reportLine(row, prediction, { chosen, seconds: evidence.durationSec }));
  });

  if (isLong) {
    describe.skipIf(!existsSync(ORACLE))("as an independent harness sees them", () => {
      const seen = rows.filter(({ size, inShort }) => inShort && size === "large");
      it.concurrent.for(named(seen))("%s", async ([, row], { skip, expect: check }) => {
        const prepared = ready.get(row);
        if (!prepared) return skip("its parts are not to be had");
        const { prediction } = prepared;
        const real = await bootWithOracle(prepared, mkdtempSync(join(folder, "oracle-")));
        check(differences(prediction, real)).toEqual([]);
        const chosen = choicesOf(prediction, real);
        check(chosen).not.toContain(undefined);
        console.log(`boot.py: ${reportLine(row, prediction, { chosen })}`);
      });
    });

    describe("as prove sees them", () => {
      it.for([
        ["bookworm", "7.2", 1],
        ["trixie", "7.2", 1],
        ["trixie", "10", 2],
        ["sid", "10", 2],
      ] as const)("OVMF of %s, QEMU %s, %i vCPUs", async ([ovmf, qemu, cpus], { skip }) => {
        const [program, firmware] = [qemus.get(qemu), ovmfFile(`${ovmf}/ovmf/OVMF.fd`)];
        if (program === undefined || firmware === undefined) return skip("its parts are not to be had");
        const programs = mkdtempSync(join(folder, "programs-"));
        if (qemu !== "7.2") symlinkSync(program, join(programs, "qemu-system-x86_64"));
        const output = `Output.OutputDirectory=${folder}`;
        await cvmBuildJson(["build", "--profile", "minimal", "--set", output]);
        const machine = ["--firmware", firmware, "--memory", "3072", "--cpus", String(cpus), "--timeout", "280"];
        const proof = await cvmBuildJson<Proof>(["prove", join(folder, "minimal"), ...machine], {
          environment: { PATH: `${programs}:${process.env["PATH"]}` },
        });
        expect(proof.machine.qemuVersion.startsWith(qemu)).toBe(true);
        expect(proof.agrees).toBe(true);
        const spokenOf = [...proof.registers, ...proof.alternatives, ...proof.unpredicted].map(
          ({ register }) => register,
        );
        expect(spokenOf).toEqual(expect.arrayContaining(PCRS.map((pcr) => `pcr${pcr}`)));
      });
    });
  }

  interface ReadyRow {
    image: RowImage;
    machine: { tools: VmTools; host: Host; memoryMiB: number; cpus: number };
    prediction: Prediction;
  }

  async function prepare(row: Row, images: MatrixImages): Promise<ReadyRow | undefined> {
    const qemu = qemus.get(row.qemu);
    const image = qemu === undefined ? undefined : await images.make(row);
    if (qemu === undefined || !image) return undefined;
    const tools = await findTools({
      searchPath: process.env["PATH"] ?? "",
      overrides: { qemu, firmware: image.firmware },
    });
    const host = await probeHost(tools, { temporaryDirectory: scratch, accelerator: "tcg" });
    const prediction = await predict(row, image, host);
    return { image, machine: { tools, host, ...MACHINES[row.size] }, prediction };
  }

  async function predict(row: Row, image: RowImage, host: Host): Promise<Prediction> {
    const { memoryMiB, cpus } = MACHINES[row.size];
    const memoryBytes = memoryMiB * 2 ** 20;
    const { qemuVersion, cpuModel, accelerator } = host;
    const firmware = await readOvmf(readFileSync(image.firmware.codePath));
    const { build } = firmware;
    const store = readVariableStore(openFileSource(image.firmware.varsPath));
    const boot = await predictBoot({
      path: image.bootPath,
      banks: HASH_ALGORITHMS,
      phases: [],
      secureBoot: { variables: secureBootVariablesOf(store, { supported: build?.hasSecureBoot ?? true }) },
      // The processor has RDRAND, which bookworm's OVMF makes nothing of.
      firmware: { ...(build?.release && { release: build.release }), hasRandom: row.ovmf !== "bookworm" },
      machine: { memoryBytes, cpus, qemuVersion, hasOptionRoms: false },
      disk: { gpt: "none", isReadOnly: true },
    });
    const cpu = tcgCpu(cpuModel);
    const machine = { type: "q35", memoryBytes, vcpus: cpus, qemuVersion, accelerator, ...(cpu && { cpu }) } as const;
    // Machines with the management mode have no sleep state here.
    const hasS3 = image.firmware.smm !== true;
    const bootsFrom = image.vmPath.kind === "esp" ? "disk" : "kernel";
    return withPcr0(boot, await predictPcr0({ firmware, machine: { ...machine, hasS3, bootsFrom } }));
  }
});

/** What the other harness reads of the same machine, whose disk has no partition table. */
async function bootWithOracle(
  { image, machine }: { image: RowImage; machine: { tools: VmTools; host: Host; memoryMiB: number; cpus: number } },
  out: string,
): Promise<Real> {
  const { firmware, vmPath, imagePath, espFiles } = image;
  const { kind } = image.bootPath;
  const files = espFiles.flatMap(({ espPath, hostPath }) => ["--esp-file", `${hostPath}=/${espPath}`]);
  const mode = kind === "kernel-bzimage" ? "direct" : kind === "kernel-uki" ? kind : "esp";
  const source = mode === "direct" ? ["--kernel", imagePath] : ["--uki", imagePath];
  const handed =
    vmPath.kind !== "kernel"
      ? []
      : [
          ...(vmPath.commandLine === undefined ? [] : ["--append", vmPath.commandLine]),
          ...(vmPath.initrdPath === undefined ? [] : ["--initrd", vmPath.initrdPath]),
        ];
  // As our machines with the management mode are.
  const smm = firmware.smm ? ["--smm", "--qemu-arg=-global", "--qemu-arg=ICH9-LPC.disable_s3=1"] : [];
  await promisify(execFile)("python3", [
    ...[ORACLE, "--mode", mode, ...source, ...handed, ...files, "--layout", "superfloppy", "--out", out, "--no-guest"],
    ...["--until", `serial:${KERNEL_SPEAKS.join("|")}`, "--timeout", String(TIMEOUT_SEC)],
    ...["--banks", HASH_ALGORITHMS.join(), "--qemu", machine.tools.qemu, "--cpu", machine.host.cpuModel],
    ...["--mem", String(machine.memoryMiB), "--smp", String(machine.cpus)],
    ...["--ovmf-code", firmware.codePath, "--ovmf-vars", firmware.varsPath, ...smm],
  ]);
  return {
    log: readEventLog(readFileSync(join(out, "eventlog.bin"))),
    registers: JSON.parse(readFileSync(join(out, "pcrs.json"), "utf8")) as PcrValues,
  };
}

/** How often each register is spoken of: as one value in every bank, as one of a few, or as open with a reason. */
function accountOf({ registers, alternatives = [], unpredicted }: Prediction): [string, number][] {
  return PCRS.map((pcr) => {
    const isKnown = HASH_ALGORITHMS.every((bank) => registers.pcr[bank]?.[pcr] !== undefined);
    const isNamed = ({ register, reason }: { register: string; reason: string }) =>
      register === `pcr${pcr}` && reason !== "";
    return [`pcr${pcr}`, Number(isKnown) + [...alternatives, ...unpredicted].filter(isNamed).length];
  });
}

/** Whether what is special about a row leaves a trace, so that the boot says something about it. */
function showsWhatItIsFor({ path, content }: Row, { events, unmeasured = [] }: Prediction): boolean {
  const has = (pcr: number, label?: string) =>
    events.some((event) => event.register === `pcr${pcr}` && (label === undefined || event.label === label));
  switch (content) {
    case "plain":
      return !has(12) && !has(13);
    case "companions":
      return has(12, "Credentials initrd") && has(13, "System extension initrd");
    case "passed":
      return has(12);
    case "secure-boot":
      // A kernel that it refuses runs all the same with older firmware, unmeasured, and is said to.
      return has(7, "db") || unmeasured.length > 0;
    case "profiles":
      return path === "esp" ? has(11, ".profile") : has(12, "profile 1");
  }
}

/** A line of the table in docs/boot-matrix.md. */
function reportLine(row: Row, prediction: Prediction, real: { chosen: unknown[]; seconds?: number }): string {
  const known = PCRS.filter((pcr) => prediction.registers.pcr.sha256?.[pcr] !== undefined);
  const several = (prediction.alternatives ?? []).map(({ register, values }, index) => {
    return `${register.slice(3)} (${Number(real.chosen[index]) + 1} of ${values.length})`;
  });
  const cells = [...AXES.map((axis) => row[axis]), known.length, several.join(), real.seconds?.toFixed(0)];
  return `| ${cells.join(" | ")} |`;
}

interface Real {
  log: EventLog;
  registers: PcrValues;
}

/** Registers that are not as predicted, in all banks and event by event. */
function differences(prediction: Prediction, real: Real): unknown[] {
  const { registers } = compareWithLog(prediction, real);
  return registers
    .filter(({ equal, comparedBanks }) => !equal || comparedBanks.length < HASH_ALGORITHMS.length)
    .map(({ register, comparedBanks, differingBanks, events, firstDifference }) => {
      const difference = firstDifference === undefined ? undefined : events[firstDifference];
      return { register, comparedBanks, differingBanks: differingBanks.map(({ bank }) => bank), difference };
    });
}

/** Of each register with a few values, which it has in all banks; undefined for one that has none of them, or other events. */
function choicesOf({ alternatives = [], events }: Prediction, { log, registers }: Real): (number | undefined)[] {
  return alternatives.map(({ register, values }) => {
    const pcr = Number(register.slice(3));
    const chosen = values.findIndex((value) =>
      HASH_ALGORITHMS.every((bank) => value[bank] !== undefined && value[bank] === registers[bank]?.[pcr]),
    );
    const predicted = events.filter((event) => event.register === register).map(({ digests }) => digests.sha256);
    const logged = log.events.filter((event) => event.register === pcr).map(({ digests }) => digests.sha256);
    const isAsPredicted = withoutRetry(logged).join() === predicted.join();
    return chosen < 0 || !isAsPredicted ? undefined : chosen;
  });
}

/** Without the attempt to leave boot services that failed, and its failure. */
function withoutRetry(digests: readonly (string | undefined)[]): (string | undefined)[] {
  const failure = digest("sha256", Buffer.from("Exit Boot Services Returned with Failure")).toString("hex");
  const index = digests.indexOf(failure);
  return index < 0 ? [...digests] : digests.toSpliced(index - 1, 2);
}
