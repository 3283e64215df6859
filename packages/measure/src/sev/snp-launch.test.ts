import { bytesSource, sha256Hex } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { makeFirmware, words } from "../firmware/firmware.fixture.ts";
import { predictSevEsLaunch, predictSevLaunch } from "./sev-launch.ts";
import { measureFirmware, predictSnpLaunch, type SnpLaunchOptions } from "./snp-launch.ts";
import { VMM_KINDS } from "./vmm.ts";

const RESET_BLOCK = { "00f771de-1a7e-4fcb-890e-68c77e2fb44e": words(0x80_b004) };
const HASH_TABLE = { "7255371f-3a3b-4b04-927b-1da6efa8d454": words(0x81_0c00, 0x400) };
const METADATA = [
  [0x80_0000, 0x3000, 1],
  [0x80_d000, 0x1000, 2],
  [0x80_e000, 0x1000, 3],
  [0x81_0000, 0x1000, 0x10],
] as const;
const KERNEL = Buffer.from("a kernel");

const FIRMWARE = makeFirmware({ ...RESET_BLOCK, ...HASH_TABLE }, { metadata: METADATA });
const OPTIONS = { firmware: FIRMWARE, cpuModel: "EPYC-Milan", vcpus: 2 } satisfies SnpLaunchOptions;

function digestWith(options: Partial<SnpLaunchOptions>): string {
  return predictSnpLaunch({ ...OPTIONS, ...options }).launchDigest;
}

describe("a launch of SEV-SNP", () => {
  it("is explained by its events", () => {
    const kernelHashes = { kernel: bytesSource(KERNEL), commandLine: "quiet" };
    const { events } = predictSnpLaunch({ ...OPTIONS, kernelHashes });
    expect(events.map(({ type, label }) => `${type} ${label}`)).toEqual([
      "PAGE_TYPE_NORMAL firmware, 1 page at 0xfffff000",
      "PAGE_TYPE_ZERO SNP_SEC_MEM, 3 pages at 0x800000",
      "PAGE_TYPE_SECRETS SNP_SECRETS, 1 page at 0x80d000",
      "PAGE_TYPE_CPUID CPUID, 1 page at 0x80e000",
      "PAGE_TYPE_NORMAL SNP_KERNEL_HASHES, 1 page at 0x810000",
      "PAGE_TYPE_VMSA vCPU 0",
      "PAGE_TYPE_VMSA vCPU 1",
    ]);
    expect(events[4]?.source.constant).toBe(
      `sha256 of the kernel ${sha256Hex(KERNEL)}, of the initrd ${sha256Hex("")}, of the command line ${sha256Hex("quiet\0")}`,
    );
    expect(events[5]?.source.constant).toBe(
      "save area that qemu makes: starts at 0xfffffff0, RDX 0xa00f11, SEV_FEATURES 0x1",
    );
    expect(events[6]?.source.constant).toContain("starts at 0x80b004");
  });

  it("depends on who starts it, on the CPU, the features and the counts, and on nothing else twice", () => {
    const digests = [
      ...VMM_KINDS.map((vmm) => digestWith({ vmm })),
      digestWith({ cpuModel: "EPYC-Genoa" }),
      digestWith({ guestFeatures: 0x21 }),
      digestWith({ guestFeatures: 0x201n }),
      digestWith({ vcpus: 3 }),
      digestWith({ kernelHashes: { kernel: sha256Hex(KERNEL) } }),
    ];
    expect(new Set(digests).size).toBe(digests.length);
    expect(digestWith({ kernelHashes: { kernel: sha256Hex(KERNEL) } })).toBe(
      digestWith({ kernelHashes: { kernel: bytesSource(KERNEL), commandLine: "" } }),
    );
    expect(digestWith({ firmware: measureFirmware(FIRMWARE) })).toBe(digestWith({}));
    expect(predictSnpLaunch({ firmware: FIRMWARE, cpuSignature: 0xa0_0f11, vcpus: 2 }).launchDigest).toBe(
      digestWith({}),
    );
    expect(digestWith({ vmm: "gce", cpuModel: "EPYC-Rome" })).toBe(digestWith({ vmm: "gce" }));
  });

  it("needs no reset block for one vCPU", () => {
    const firmware = makeFirmware({}, { metadata: METADATA.slice(0, 3) });
    expect(digestWith({ firmware, vcpus: 1 })).toMatch(/^[0-9a-f]{96}$/);
    expect(() => digestWith({ firmware })).toThrow(
      "cannot predict a launch digest: expected firmware that says where further vCPUs start, got none",
    );
  });

  it("adds page after page what firmware asks for, also of types that nobody knows", () => {
    const one = [[0x1000, 0x2000, 0x77]];
    const two = [
      [0x1000, 0x1000, 1],
      [0x2000, 0x1000, 1],
    ];
    const firmware = (metadata: number[][]) => {
      // The same bytes of firmware, so that they differ in what is read of them.
      const { launchDigest } = measureFirmware(FIRMWARE);
      const items = metadata.map(([gpa = 0, sizeBytes = 0, type = 0]) => ({ gpa, sizeBytes, type }));
      return { launchDigest, metadata: items, resetEip: 1, hashTable: undefined, svsmEntryOffset: undefined };
    };
    expect(digestWith({ firmware: firmware(one) })).toBe(digestWith({ firmware: firmware(two) }));
  });

  it("puts hashes into the first of several pages", () => {
    const metadata = [[0x81_0000, 0x2000, 0x10]];
    const firmware = makeFirmware({ ...RESET_BLOCK, ...HASH_TABLE }, { metadata });
    const { events } = predictSnpLaunch({ ...OPTIONS, firmware, kernelHashes: { kernel: sha256Hex(KERNEL) } });
    expect(events[1]?.label).toBe("SNP_KERNEL_HASHES, 2 pages at 0x810000");
  });

  const noPage = makeFirmware({ ...RESET_BLOCK, ...HASH_TABLE }, { metadata: METADATA.slice(0, 3) });
  const noArea = makeFirmware(RESET_BLOCK, { metadata: METADATA });
  const lateArea = makeFirmware(
    { ...RESET_BLOCK, [Object.keys(HASH_TABLE)[0]!]: words(0x81_0ff0, 0x400) },
    { metadata: METADATA },
  );
  const smallArea = makeFirmware(
    { ...RESET_BLOCK, [Object.keys(HASH_TABLE)[0]!]: words(0x81_0c00, 64) },
    { metadata: METADATA },
  );
  const kernelHashes = { kernel: sha256Hex(KERNEL) };
  const svsm = { image: FIRMWARE, varsSizeBytes: 0 };
  const { sizeBytes: known, ...ofUnknownSize } = measureFirmware(FIRMWARE);

  it("knows the size of a firmware that it has measured", () => {
    expect(known).toBe(FIRMWARE.length);
  });

  it.each<[what: string, options: Partial<SnpLaunchOptions>, message: string]>([
    ["no vCPU", { vcpus: 0 }, "expected 1 to 16384 vCPUs, got 0"],
    ["half a vCPU", { vcpus: 1.5 }, "got 1.5"],
    ["firmware without metadata", { firmware: makeFirmware(RESET_BLOCK) }, "firmware with SEV metadata, got none"],
    [
      "firmware that asks for no pages",
      { firmware: makeFirmware(RESET_BLOCK, { metadata: [[0, 0, 1]] }) },
      "expected firmware for SEV-SNP, got one that asks for no pages",
    ],
    ["half a page of firmware", { firmware: FIRMWARE.subarray(2048) }, "got 2048 bytes"],
    ["no firmware", { firmware: Buffer.alloc(0) }, "got 0 bytes"],
    [
      "hashes without a page",
      { firmware: noPage, kernelHashes },
      "an area for them, got one that measures no page of them",
    ],
    ["hashes without an area", { firmware: noArea, kernelHashes }, "an area for them, got none"],
    ["hashes that leave their page", { firmware: lateArea, kernelHashes }, "one that ends after its page"],
    ["hashes that leave their area", { firmware: smallArea, kernelHashes }, "got 64 bytes"],
    ["an SVSM that does not say where it starts", { svsm }, "an SVSM that says where it starts"],
    ["an SVSM below firmware of unknown size", { svsm, firmware: ofUnknownSize }, "firmware of known size"],
    ["an SVSM below half a page of variables", { svsm: { ...svsm, varsSizeBytes: 2048 } }, "ends with a page"],
    [
      "an SVSM below variables of 4 GiB",
      { svsm: { ...svsm, varsSizeBytes: 2 ** 32 - 4096 } },
      "expected SVSM of whole",
    ],
    ["an SVSM on EC2", { svsm, vmm: "ec2" }, "expected QEMU"],
  ])("is not predicted with %s", (_, options, message) => {
    expect(() => digestWith(options)).toThrow(message);
    expect(() => digestWith(options)).toThrow(/^cannot (predict|decode) /);
  });

  it("asks for a CPU where QEMU has it measured", () => {
    const launch = () => predictSnpLaunch({ firmware: FIRMWARE, vcpus: 1 });
    expect(launch).toThrow("expected a CPU model, which QEMU has measured, got none");
  });
});

describe("a launch of SEV and SEV-ES", () => {
  it("is explained by its events", () => {
    const kernelHashes = { kernel: bytesSource(KERNEL) };
    const sev = predictSevLaunch({ firmware: FIRMWARE, kernelHashes });
    expect(sev.events.map(({ label }) => label)).toEqual(["firmware", "kernel hashes at 0x810c00"]);
    expect(sev.launchDigest).toHaveLength(64);
    const es = predictSevEsLaunch({
      firmware: FIRMWARE,
      firmwarePath: "OVMF.fd",
      kernelHashes,
      cpuModel: "EPYC",
      vcpus: 2,
    });
    expect(es.events.map(({ label, source }) => source.file ?? label)).toEqual([
      "OVMF.fd",
      "kernel hashes at 0x810c00",
      "vCPU 0",
      "vCPU 1",
    ]);
    expect(es.events[2]?.source.constant).toContain("SEV_FEATURES 0x0");
  });

  it("is refused where there is no place for hashes, or for vCPUs to start", () => {
    const firmware = makeFirmware();
    expect(() => predictSevLaunch({ firmware, kernelHashes: { kernel: sha256Hex(KERNEL) } })).toThrow("got none");
    expect(() => predictSevEsLaunch({ firmware, cpuModel: "EPYC", vcpus: 2 })).toThrow("further vCPUs start");
    expect(() => predictSevEsLaunch({ firmware, cpuModel: "EPYC", vcpus: 0 })).toThrow("vCPUs");
  });
});
