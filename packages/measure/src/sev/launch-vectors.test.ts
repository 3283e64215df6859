import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { bytesSource, type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { readSevFirmware } from "../firmware/sev-metadata.ts";
import type { KernelHashInputs } from "./kernel-hashes.ts";
import { predictSevEsLaunch, predictSevLaunch } from "./sev-launch.ts";
import { measureFirmware, type MeasuredFirmware, predictSnpLaunch, predictSnpLaunches } from "./snp-launch.ts";
import type { VmmKind } from "./vmm.ts";

const VECTORS = join(import.meta.dirname, "../../../../../shared/vectors");
const SNP = join(VECTORS, "sev-snp");

/** One run of sev-snp-measure 0.0.13. */
interface Case {
  mode: "snp" | "snp:svsm" | "snp:ovmf-hash" | "seves" | "sev";
  vmm?: "QEMU" | "ec2" | "gce";
  ovmf: string;
  svsm?: string;
  vars_size?: number;
  vcpu_type?: string | null;
  vcpus?: number;
  guest_features?: number;
  kernel?: string | null;
  initrd?: string | null;
  append?: string | null;
  expected: string;
}

function parsed<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

const files = new Map<string, Buffer>();
function bytesOf(path: string): Buffer {
  let bytes = files.get(path);
  if (!bytes) {
    const stored = readFileSync(path);
    bytes = path.endsWith(".gz") ? gunzipSync(stored) : stored;
    files.set(path, bytes);
  }
  return bytes;
}

const firmwares = new Map<string, MeasuredFirmware>();
function firmwareOf(path: string): MeasuredFirmware {
  let firmware = firmwares.get(path);
  if (!firmware) firmwares.set(path, (firmware = measureFirmware(bytesOf(path))));
  return firmware;
}

function hashesOf({ kernel, initrd, append }: Case): { kernelHashes?: KernelHashInputs } {
  if (!kernel) return {};
  return {
    kernelHashes: {
      kernel: bytesSource(bytesOf(join(SNP, kernel))),
      ...(initrd && { initrd: bytesSource(bytesOf(join(SNP, initrd))) }),
      ...(append && { commandLine: append }),
    },
  };
}

function launchDigestOf(known: Case): string {
  const path = join(SNP, known.ovmf);
  const firmware = firmwareOf(path);
  const vmm: VmmKind = known.vmm === undefined || known.vmm === "QEMU" ? "qemu" : known.vmm;
  const cpu = known.vcpu_type ? { cpuModel: known.vcpu_type } : {};
  const common = { vmm, ...cpu, ...hashesOf(known), vcpus: known.vcpus ?? 1 };
  switch (known.mode) {
    case "snp":
      return predictSnpLaunch({ ...common, firmware, guestFeatures: known.guest_features ?? 1 }).launchDigest;
    case "snp:svsm": {
      const svsm = { image: bytesOf(join(SNP, known.svsm!)), varsSizeBytes: known.vars_size! };
      // The peer sets x87_fcw under a name that its structure does not have, so that it stays zero.
      return predictSnpLaunch({ ...common, firmware, svsm, registers: { x87Fcw: 0 } }).launchDigest;
    }
    case "seves":
      return predictSevEsLaunch({ ...common, firmware: bytesOf(path) }).launchDigest;
    case "sev":
      return predictSevLaunch({ ...common, firmware: bytesOf(path) }).launchDigest;
    case "snp:ovmf-hash":
      return "";
  }
}

describe.skipIf(!existsSync(SNP))("launch digests", () => {
  it("are those of sev-snp-measure", () => {
    const { cases } = parsed<{ cases: Case[] }>(join(SNP, "expected.json"));
    const withPages = cases.filter(({ mode }) => mode !== "snp:ovmf-hash");
    expect(withPages.length).toBeGreaterThan(250);
    const wrong = withPages.filter((known) => launchDigestOf(known) !== known.expected);
    expect(wrong).toEqual([]);
  });

  it("go on from the firmware's own, where only that is known", () => {
    const { cases } = parsed<{ cases: Case[] }>(join(SNP, "expected.json"));
    const known = cases.find(({ mode }) => mode === "snp:ovmf-hash")!;
    const image = bytesOf(join(SNP, known.ovmf));
    const firmware = { ...readSevFirmware(image), launchDigest: known.expected };
    const options = { cpuModel: "EPYC-v4", vcpus: 4 };
    expect(predictSnpLaunch({ ...options, firmware }).launchDigest).toBe(
      predictSnpLaunch({ ...options, firmware: image }).launchDigest,
    );
  });

  it("are those of Google's verifier, on Milan and Genoa", () => {
    const known = parsed<Record<string, Record<string, string>>>(
      join(VECTORS, "tdx-mrtd/expected-google-gce-tcb-verifier.json"),
    );
    let compared = 0;
    for (const [name, values] of Object.entries(known)) {
      const path = [join(VECTORS, "firmware"), join(SNP, "inputs")]
        .map((folder) => join(folder, `${name}.gz`))
        .find(existsSync);
      for (const [key, expected] of Object.entries(values)) {
        const [, product, count] = /^snp_SEV_PRODUCT_(MILAN|GENOA)_(\d+)$/.exec(key) ?? [];
        if (product === undefined) continue;
        const vmm = product === "GENOA" ? "gce-genoa" : "gce";
        const launch = predictSnpLaunch({ firmware: firmwareOf(path!), vmm, vcpus: Number(count) });
        expect.soft([name, key, launch.launchDigest]).toEqual([name, key, expected]);
        compared++;
      }
    }
    expect(compared).toBe(30);
  });

  it("is the one that an AMD Milan signed in its report", () => {
    interface Real {
      inputs: {
        base_cmdline: string;
        ovmf_hash: string;
        kernel_hash: Sha256Hex;
        initrd_hash: Sha256Hex;
        sev_hashes_table_gpa: number;
        sev_es_reset_eip: number;
        vcpus: number;
        vcpu_type: string;
        guest_features: number;
        ovmf_sections: { gpa: number; size: number; section_type: number }[];
      };
      cmdline_sha256: string;
      expected_launch_digest: string;
      report_offset_in_sev_snp_attestation_bin: number;
    }
    const folder = join(VECTORS, "eventlogs/dstack");
    const real = parsed<Real>(join(folder, "sev-snp-real.json"));
    const { inputs } = real;
    expect(sha256Hex(`${inputs.base_cmdline}\0`)).toBe(real.cmdline_sha256);
    const launch = predictSnpLaunch({
      firmware: {
        launchDigest: inputs.ovmf_hash,
        metadata: inputs.ovmf_sections.map(({ gpa, size, section_type }) => ({
          gpa,
          sizeBytes: size,
          type: section_type,
        })),
        resetEip: inputs.sev_es_reset_eip,
        hashTable: { gpa: inputs.sev_hashes_table_gpa, sizeBytes: 0x400 },
        svsmEntryOffset: undefined,
      },
      cpuModel: inputs.vcpu_type,
      vcpus: inputs.vcpus,
      guestFeatures: inputs.guest_features,
      kernelHashes: { kernel: inputs.kernel_hash, initrd: inputs.initrd_hash, commandLine: inputs.base_cmdline },
    });
    const MEASUREMENT_OFFSET = 0x90;
    const report = readFileSync(join(folder, "sev_snp_attestation.bin"));
    const start = real.report_offset_in_sev_snp_attestation_bin + MEASUREMENT_OFFSET;
    expect(report.toString("hex", start, start + 48)).toBe(real.expected_launch_digest);
    expect(launch.launchDigest).toBe(real.expected_launch_digest);
  });

  it("of many counts are those of each count", () => {
    const firmware = bytesOf(join(SNP, "inputs/ovmf_AmdSev_suffix.bin"));
    const options = { firmware, cpuModel: "EPYC-Genoa" };
    const counts = [224, 1, 33, 2, 33];
    const launches = predictSnpLaunches(options, counts);
    expect(launches).toEqual(counts.map((vcpus) => predictSnpLaunch({ ...options, vcpus })));
    expect(launches.map(({ events }) => events.filter(({ type }) => type === "PAGE_TYPE_VMSA").length)).toEqual(counts);
  });
});
