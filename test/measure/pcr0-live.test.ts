import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  compareWithLog,
  type PcrValues,
  type Prediction,
  predictPcr0,
  readEventLog,
  replay,
  tcgCpu,
} from "@cvm-build/measure";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { debianQemu } from "../support/debian-qemu.ts";
import { requirePeers } from "../support/peers.ts";
import { ovmfFile } from "./ovmf-files.ts";

const oracle = join(import.meta.dirname, "../../../shared/tools/measured-boot/boot.py");
const canBoot = existsSync(oracle) && requirePeers("python3", "qemu-system-x86_64", "swtpm", "swtpm_setup");

interface Case {
  firmware: string;
  memoryMib: number;
  vcpus: number;
  qemu: "host" | "trixie";
  machine: "q35" | "pc";
}

/** One of each firmware; the others where there is time. */
const SHORT: Case[] = [
  { firmware: "bookworm/OVMF/OVMF_CODE_4M.fd", memoryMib: 1024, vcpus: 2, qemu: "host", machine: "q35" },
  { firmware: "trixie/OVMF/OVMF_CODE_4M.fd", memoryMib: 512, vcpus: 1, qemu: "host", machine: "q35" },
  { firmware: "sid/OVMF/OVMF_CODE_4M.fd", memoryMib: 512, vcpus: 1, qemu: "trixie", machine: "q35" },
];
const LONG: Case[] = [
  { firmware: "bookworm/OVMF/OVMF_CODE_4M.fd", memoryMib: 1024, vcpus: 1, qemu: "host", machine: "q35" },
  { firmware: "bookworm/OVMF/OVMF_CODE_4M.fd", memoryMib: 600, vcpus: 1, qemu: "host", machine: "q35" },
  { firmware: "bookworm/OVMF/OVMF_CODE_4M.fd", memoryMib: 600, vcpus: 2, qemu: "trixie", machine: "q35" },
  { firmware: "bookworm/OVMF/OVMF_CODE_4M.fd", memoryMib: 512, vcpus: 1, qemu: "host", machine: "pc" },
  { firmware: "bookworm/OVMF/OVMF_CODE_4M.secboot.fd", memoryMib: 768, vcpus: 2, qemu: "host", machine: "q35" },
  { firmware: "trixie/OVMF/OVMF_CODE_4M.fd", memoryMib: 512, vcpus: 2, qemu: "trixie", machine: "q35" },
  { firmware: "trixie/OVMF/OVMF_CODE_4M.fd", memoryMib: 512, vcpus: 1, qemu: "host", machine: "pc" },
  { firmware: "trixie/OVMF/OVMF_CODE_4M.secboot.fd", memoryMib: 640, vcpus: 2, qemu: "trixie", machine: "q35" },
  { firmware: "sid/OVMF/OVMF_CODE_4M.fd", memoryMib: 512, vcpus: 2, qemu: "host", machine: "q35" },
  { firmware: "sid/OVMF/OVMF_CODE_4M.secboot.fd", memoryMib: 640, vcpus: 3, qemu: "trixie", machine: "q35" },
];

/** Boots to the firmware's own shell, with no disk. PCR 0 is complete before. */
describe.skipIf(!canBoot)("PCR 0 against boots", () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "cvm-pcr0-"))));
  afterAll(() => rmSync(folder, { recursive: true }));

  it.for(process.env["CI"] ? SHORT : [...SHORT, ...LONG])(
    "$firmware, $machine of the $qemu's QEMU, $memoryMib MiB, $vcpus vCPUs",
    async ({ firmware, memoryMib, vcpus, qemu, machine }, { skip }) => {
      const code = ovmfFile(firmware);
      const program = qemu === "host" ? "qemu-system-x86_64" : debianQemu("trixie", folder);
      if (code === undefined || program === undefined) return skip("the release's packages are not to be had");
      const qemuVersion = /version (\S+)/.exec(execFileSync(program, ["--version"], { encoding: "utf8" }))![1]!;
      const prediction = await predictPcr0({
        firmware: readFileSync(code),
        machine: {
          type: machine,
          memoryBytes: memoryMib * 2 ** 20,
          vcpus,
          qemuVersion,
          cpu: tcgCpu("max,-cx16")!,
          bootsFrom: "nothing",
          accelerator: "tcg",
        },
      });
      expect(prediction.unpredicted).toBeUndefined();

      const out = join(folder, "out");
      const boot = [oracle, "--mode", "firmware", "--no-guest", "--out", out, "--timeout", "60"].concat(
        ["--ovmf-code", code, "--ovmf-vars", join(dirname(code), "OVMF_VARS_4M.fd"), "--qemu", program],
        ["--mem", String(memoryMib), "--smp", String(vcpus), "--machine", machine],
        ["--banks", "sha1,sha256,sha384", "--until", "serial:BdsDxe: (starting|No bootable)"],
        firmware.includes("secboot") ? ["--smm"] : [],
      );
      const done = spawnSync("python3", boot, { encoding: "utf8" });
      expect(done.status, done.stdout + done.stderr).toBe(0);
      const registers = JSON.parse(readFileSync(join(out, "pcrs.json"), "utf8")) as PcrValues;
      const log = readEventLog(readFileSync(join(out, "eventlog.bin")));
      const comparison = compareWithLog(asPrediction(prediction.events), { log, registers });
      const [register] = comparison.registers;
      expect(register).toMatchObject({ register: "pcr0", differingBanks: [], firstDifference: undefined });
      expect(register?.comparedBanks).toEqual(["sha1", "sha256", "sha384"]);
    },
  );
});

function asPrediction(events: Prediction["events"]): Prediction {
  const pcr = replay(events, { banks: ["sha1", "sha256", "sha384", "sha512"] });
  return { events, registers: { pcr }, phases: {}, unpredicted: [], refused: [] };
}
