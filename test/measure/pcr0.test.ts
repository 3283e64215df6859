import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { HASH_ALGORITHMS } from "@cvm-build/bytes";
import {
  type FirmwareMachine,
  type Ovmf,
  predictFirmwarePcr1,
  predictPcr0,
  readEventLog,
  readOvmf,
  replay,
  tcgCpu,
} from "@cvm-build/measure";
import { describe, expect, it } from "vitest";
import { hasOvmfVectors, ovmfFile, ovmfVector, sha256Of } from "./ovmf-files.ts";

const MIB = 2 ** 20;
const qemuBoots = join(import.meta.dirname, "../../../shared/vectors/qemu-boots");

const rows = readFileSync(join(import.meta.dirname, "pcr0-boots.tsv"), "utf8")
  .split("\n")
  .map((line) => line.split("\t"));
const firmwares = rows.flatMap(([kind, name = "", sha256 = ""]) => (kind === "firmware" ? [{ name, sha256 }] : []));

describe("PCR 0 of boots that were watched", () => {
  it.for(firmwares)("with $name", async ({ name, sha256 }, { skip }) => {
    const path = ovmfFile(name);
    const bytes = path === undefined ? undefined : readFileSync(path);
    if (!bytes || sha256Of(bytes) !== sha256) return skip("the release has moved on from what was booted");
    const firmware = await readOvmf(bytes);
    const boots = rows.filter(([kind, firmwareName]) => kind === "boot" && firmwareName === name);
    const predicted = await Promise.all(boots.map((boot) => predictRow(firmware, boot)));
    expect(predicted).toEqual(boots.map((boot) => (isPredicted(boot) ? boot.at(-1) : undefined)));
  });
});

/** Builds with the management mode are not predicted with more vCPUs, nor on a QEMU that interrupts them elsewhere. */
function isPredicted([, name = "", qemuVersion = "", , , vcpus]: readonly string[]): boolean {
  const isNewQemu = qemuVersion.startsWith("11.") && !name.includes("bookworm");
  return !name.includes("secboot") || (Number(vcpus) <= 16 && !isNewQemu);
}

async function predictRow(firmware: Ovmf, row: readonly string[]): Promise<string | undefined> {
  const [, , qemuVersion = "", type, mebibytes, vcpus, maxVcpus, model = "", s3, starts] = row;
  const machine: FirmwareMachine = {
    type: type as FirmwareMachine["type"],
    memoryBytes: Number(mebibytes) * MIB,
    vcpus: Number(vcpus),
    maxVcpus: Number(maxVcpus),
    qemuVersion,
    cpu: tcgCpu(model)!,
    hasS3: s3 === "yes",
    bootsFrom: starts as NonNullable<FirmwareMachine["bootsFrom"]>,
    accelerator: "tcg",
  };
  const { events } = await predictPcr0({ firmware, machine, banks: ["sha256"] });
  return events[1]?.digests.sha256;
}

interface Run {
  name: string;
  qemu: string;
  firmware: { file: string; suite: string };
  mem_mib: number;
  vcpus: number;
  direct?: unknown;
  log: { file: string };
  pcrs: Record<string, Record<string, string>>;
}

const runs: Run[] = existsSync(qemuBoots) ? JSON.parse(readFileSync(join(qemuBoots, "runs.json"), "utf8")) : [];

describe.skipIf(runs.length === 0)("PCR 0 of the given boots", () => {
  it.for(runs)("$name", async (run, { skip }) => {
    const path = ovmfFile(`${run.firmware.suite}/OVMF/${run.firmware.file.slice(run.firmware.suite.length + 1)}`);
    if (path === undefined) return skip("the firmware is not to be had");
    const machine = { type: "q35", memoryBytes: run.mem_mib * MIB, vcpus: run.vcpus, qemuVersion: run.qemu } as const;
    const prediction = await predictPcr0({
      firmware: readFileSync(path),
      machine: { ...machine, accelerator: "tcg", cpu: tcgCpu("qemu64")! },
    });
    expect(prediction.unpredicted).toBeUndefined();
    const log = readEventLog(gunzipSync(readFileSync(join(qemuBoots, run.log.file))));
    const logged = log.events.filter(({ register, typeName }) => register === 0 && typeName !== "EV_NO_ACTION");
    expect(prediction.events.map(({ type, digests }) => [type, digests.sha256])).toEqual(
      logged.map(({ typeName, digests }) => [typeName, digests.sha256]),
    );
    // The event of a volume tells where it was, and how large.
    const blobs = logged.filter(({ typeName }) => typeName === "EV_EFI_PLATFORM_FIRMWARE_BLOB");
    expect(blobs.map(({ data }) => Number(data.readBigUInt64LE(8)))).toEqual(
      prediction.events.slice(1, 3).map(({ content }) => content?.sizeBytes),
    );
    const pcr = replay(prediction.events, { banks: HASH_ALGORITHMS });
    for (const bank of HASH_ALGORITHMS) expect([bank, pcr[bank]?.[0]]).toEqual([bank, run.pcrs[bank]?.["0"]]);

    const { events, unpredicted } = predictFirmwarePcr1({
      build: prediction.build,
      path: run.direct ? "kernel" : "disk",
      hasFreshVariables: true,
    });
    expect(unpredicted === undefined).toBe(run.firmware.suite === "bookworm" && run.direct !== undefined);
    if (unpredicted !== undefined) return;
    const settings = replay(events, { banks: HASH_ALGORITHMS });
    for (const bank of HASH_ALGORITHMS) expect([bank, settings[bank]?.[1]]).toEqual([bank, run.pcrs[bank]?.["1"]]);
  });
});

describe.skipIf(!hasOvmfVectors)("builds of OVMF", () => {
  it.each([
    ["bookworm-ovmf-2022.11-OVMF.fd", { version: "", release: "2022.11", hasSmm: false, hasSecureBoot: true }],
    [
      "trixie-ovmf-2025.02-OVMF.fd",
      { version: "2025.02-8+deb13u1", release: "2025.02", hasSmm: false, hasSecureBoot: false },
    ],
    [
      "sid-ovmf-generic-2026.08-OVMF.fd",
      { version: "2026.08+ds-2", release: "2026.08", hasSmm: false, hasSecureBoot: false },
    ],
  ])("are told by their bytes: %s", async (name, build) => {
    expect((await readOvmf(ovmfVector(name))).build).toEqual(build);
  });

  it("are unpacked as xz does", async () => {
    const firmware = ovmfVector("sid-ovmf-generic-2026.08-OVMF.fd");
    const { volumes } = await readOvmf(firmware);
    const guid = firmware.indexOf("98584eee143959429d6edc7bd79403cf", "hex");
    const stream = firmware.subarray(guid + 20, guid - 4 + firmware.readUIntLE(guid - 4, 3));
    const unpacked = execFileSync("xz", ["--format=lzma", "--decompress", "--stdout", "--single-stream"], {
      input: stream,
      maxBuffer: 1 << 26,
    });
    expect(unpacked.includes(volumes!.pei.bytes)).toBe(true);
    expect(unpacked.includes(volumes!.dxe.bytes)).toBe(true);
  });

  it("are predicted for a usual processor where none is named, and say so", async () => {
    const machine = { type: "q35", memoryBytes: 2 ** 30, vcpus: 1, qemuVersion: "7.2.22" } as const;
    const firmware = await readOvmf(ovmfVector("bookworm-ovmf-2022.11-OVMF.fd"));
    const [named, unnamed] = [{ ...machine, cpu: tcgCpu("max")! }, machine];
    const predicted = await predictPcr0({ firmware, machine: named });
    const assumed = await predictPcr0({ firmware, machine: unnamed });
    expect([predicted.assumed, assumed.assumed]).toEqual([undefined, expect.stringContaining("40 bits")]);
    expect(assumed.events).toEqual(predicted.events);
  });

  it("say that they depend on what the machine boots from, where one does and that is not told", async ({ skip }) => {
    const path = ovmfFile("sid/OVMF/OVMF_CODE_4M.secboot.fd");
    if (path === undefined) return skip("the release's packages are not to be had");
    const machine = {
      type: "q35",
      memoryBytes: 2 ** 30,
      vcpus: 1,
      qemuVersion: "10.0.13",
      accelerator: "tcg",
    } as const;
    const { unpredicted, build } = await predictPcr0({
      firmware: readFileSync(path),
      machine: { ...machine, cpu: tcgCpu("max")! },
    });
    const known = build?.version === "2026.08+ds-2";
    expect(unpredicted).toContain(known ? "depends on whether it boots from a disk" : "is known for");
  });

  it("are refused by name where the machine is one that they were not watched on", async () => {
    const firmware = await readOvmf(ovmfVector("bookworm-ovmf-2022.11-OVMF.fd"));
    const machine = { type: "q35", vcpus: 1, qemuVersion: "7.2.22" } as const;
    const { unpredicted } = await predictPcr0({ firmware, machine: { ...machine, memoryBytes: 2 ** 40 } });
    expect(unpredicted).toContain("1 TiB");
  });
});
