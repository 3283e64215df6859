import { assert, bytesSource, type HashAlgorithm } from "@cvm-build/bytes";
import {
  type Boot,
  type BootPath,
  DigestMemo,
  type EspFile,
  type EspPath,
  lowMemoryBytes,
  type GrubPath,
  pcrOf,
  predictBoot,
  predictPcr0,
  type Prediction,
  predictTpmBesideTdx,
  type ShimStart,
  type SystemdBootPath,
  tcgCpu,
  withPcr0,
} from "@cvm-build/measure";
import type { Bootable } from "./bootable.ts";
import { predictLaunch } from "./launch.ts";
import { firmwareRelease, type ReadyPlatform, type TeePrediction } from "./ready-platform.ts";
import { predictTrustDomain } from "./trust-domain.ts";

/** Where shim looks for what it starts, on its own partition. @see shim, `DEFAULT_LOADER` */
const SHIM_STARTS = "/EFI/BOOT/grubx64.efi";

/** Predicts all registers of a platform for an image. Each that it has has a value, a few, or a reason why it has none. */
export async function predictPlatform(
  platform: ReadyPlatform,
  bootable: Bootable,
  options: { threads: number },
): Promise<Prediction> {
  const { declaration } = platform;
  const boot = bootOf(platform, bootable, options);
  // RTMRs follow from what a TPM would hold, with the one hash that TDX has.
  const isTd = declaration.tee === "tdx";
  const ofTpm = declaration.tpm === false ? [] : bootable.banks;
  const banks: HashAlgorithm[] = [...new Set([...ofTpm, ...(isTd ? (["sha384"] as const) : [])])];
  const prediction = await platform.memo.once(bootKey(boot), () => predictBoot({ ...boot, banks }));
  const own =
    declaration.tpm === false
      ? withoutPcrs(prediction)
      : await addPcr0(onlyBanks(tpmOf(platform, prediction), bootable.banks), platform);
  const tees = [
    ...(isTd ? [await predictTrustDomain(platform, { bootable, prediction })] : []),
    ...(declaration.tee !== undefined && !isTd ? [predictLaunch(platform, bootable)] : []),
  ];
  return leaveOpen(merge(own, tees), declaration.unpredicted ?? {});
}

/** What the TPM of a platform holds of a boot: beside RTMRs firmware measures less into it. */
function tpmOf({ declaration }: ReadyPlatform, prediction: Prediction): Prediction {
  const { tee, paravisor, machine } = declaration;
  if (tee !== "tdx" || paravisor) return prediction;
  return predictTpmBesideTdx(prediction, { vmm: machine.vmm?.startsWith("gce") ? "gce" : "qemu" });
}

/** PCR 0 of QEMU's machines, where the firmware's bytes are there. */
async function addPcr0(prediction: Prediction, { declaration, firmware, memo }: ReadyPlatform): Promise<Prediction> {
  const { machine, tee } = declaration;
  const { memoryBytes, cpus, cpuModel, version, accelerator } = machine;
  if (!firmware || machine.vmm?.startsWith("qemu") === false) return prediction;
  if (memoryBytes === undefined || cpus === undefined || version === undefined) return prediction;
  const banks = Object.keys(prediction.registers.pcr) as HashAlgorithm[];
  // Under KVM the guest sees the host's processor, whatever the model.
  const cpu = accelerator === "tcg" && cpuModel !== undefined ? tcgCpu(cpuModel) : undefined;
  const key = `PCR 0 ${memoryBytes} ${cpus} ${cpuModel} ${version} ${accelerator}`;
  const { assumed, ...pcr0 } = await memo.once(key, () =>
    predictPcr0({
      firmware: firmware.ovmf,
      machine: {
        ...{ type: machine.type ?? "q35", memoryBytes, vcpus: cpus, qemuVersion: version },
        guest: tee === undefined ? "plain" : tee === "tdx" ? "tdx" : "sev",
        bootsFrom: isFromDisk(declaration) ? "disk" : "kernel",
        ...(cpu && { cpu }),
        ...(accelerator && { accelerator }),
        ...(machine.suspend !== undefined && { hasS3: machine.suspend }),
      },
      banks,
    }),
  );
  if (assumed === undefined) return withPcr0(prediction, pcr0);
  const unpredicted = `depends on the processor that the guest sees; it would be known of ${assumed}`;
  return withPcr0(prediction, { events: [], unpredicted });
}

function bootOf(platform: ReadyPlatform, bootable: Bootable, options: { threads: number }): Boot {
  const { declaration, variables, gpt = bootable.partitionTable } = platform;
  const { machine, tee, disk } = declaration;
  const release = firmwareRelease(platform);
  const { random } = declaration.firmware ?? {};
  const path = pathOf(platform, bootable);
  return {
    path,
    banks: bootable.banks,
    phases: bootable.phases,
    ...(bootable.userspace && { userspace: bootable.userspace }),
    secureBoot: variables ? { variables } : false,
    ...(release !== undefined && {
      firmware: { release, ...(random !== undefined && { hasRandom: random }) },
    }),
    machine: {
      ...(machine.memoryBytes !== undefined && { memoryBytes: machine.memoryBytes }),
      ...(machine.cpus !== undefined && { cpus: machine.cpus }),
      ...(machine.version !== undefined && { qemuVersion: machine.version }),
      ...(tee !== undefined && { guest: tee === "tdx" ? "tdx" : "sev" }),
      ...(machine.optionRoms !== undefined && { hasOptionRoms: machine.optionRoms }),
      ...(machine.smbiosStrings && { smbiosStrings: machine.smbiosStrings }),
    },
    ...((gpt !== undefined || disk?.readOnly !== undefined) && {
      disk: { ...(gpt !== undefined && { gpt }), ...(disk?.readOnly !== undefined && { isReadOnly: disk.readOnly }) },
    }),
    ...(bootable.sources && { sources: bootable.sources }),
    ...options,
    memo: bootable.memo.once(`digests ${path.kind}`, () => new DigestMemo(bootable)),
  };
}

function isFromDisk({ boot }: ReadyPlatform["declaration"]): boolean {
  return boot !== "kernel-uki" && boot !== "kernel-bzimage";
}

/** Equal for machines of one platform on which a TPM holds the same: memory is in no other measurement than a kernel's. */
function bootKey({ path, machine, firmware }: Boot): string {
  const { cpus: _, memoryBytes, ...others } = machine ?? {};
  const isHanded = path.kind === "kernel-bzimage" && memoryBytes !== undefined;
  return JSON.stringify([firmware, others, isHanded ? lowMemoryBytes(memoryBytes) : undefined]);
}

function pathOf(platform: ReadyPlatform, bootable: Bootable): BootPath {
  const { image, initrd, commandLine } = bootable;
  const passed = commandLine !== undefined && { commandLine };
  switch (platform.declaration.boot ?? "esp") {
    case "esp":
      return espPath(platform, bootable);
    case "kernel-uki":
      return { kind: "kernel-uki", uki: image, ...passed };
    case "kernel-bzimage":
      return { kind: "kernel-bzimage", kernel: image, ...(initrd && { initrd }), ...passed };
    case "systemd-boot":
      return { ...systemdBootPath(platform, bootable), ...passed };
    case "grub":
      return grubPath(platform, bootable);
  }
}

function espPath(platform: ReadyPlatform, { image, companions, commandLine }: Bootable): EspPath {
  const through = throughShim(platform, "ukiPath");
  const { ukiPath } = through;
  return {
    kind: "esp",
    uki: image,
    companions: ukiPath === undefined ? companions : companions.map((companion) => besideUki(companion, ukiPath)),
    ...through,
    ...(commandLine !== undefined && { commandLine }),
  };
}

function systemdBootPath(platform: ReadyPlatform, { image, companions }: Bootable): SystemdBootPath {
  const { declaration, loader } = platform;
  assert(loader, "a platform that boots through a loader names it");
  const { file, configuration } = loader;
  const { ukiPath = "/EFI/Linux/image.efi" } = declaration.loader ?? {};
  const beside = companions.map((companion) => besideUki(companion, ukiPath));
  const loaderConf = configuration && { path: "/loader/loader.conf", content: bytesSource(configuration.bytes) };
  return {
    kind: "systemd-boot",
    ...throughShim(platform, "loaderPath"),
    loader: bytesSource(file.bytes),
    uki: image,
    ukiPath,
    companions: loaderConf ? [loaderConf, ...beside] : beside,
  };
}

/** What shim starts is not where firmware looks for what it starts itself. */
function throughShim<Key extends "ukiPath" | "loaderPath">(
  { declaration, shim }: ReadyPlatform,
  key: Key,
): { shim?: ShimStart } & Partial<Record<Key, string>> {
  if (!shim) return {};
  const path = { [key]: declaration.shim?.nextPath ?? SHIM_STARTS } as Record<Key, string>;
  return { shim, ...path };
}

function grubPath(platform: ReadyPlatform, { image, initrd }: Bootable): GrubPath {
  const { declaration, loader } = platform;
  assert(loader?.configuration, "a platform that boots through GRUB names its configuration");
  const { file, configuration } = loader;
  const { kernelPath = "/vmlinuz", initrdPath = "/initrd.img" } = declaration.loader ?? {};
  return {
    kind: "grub",
    ...throughShim(platform, "loaderPath"),
    loader: bytesSource(file.bytes),
    configuration: { path: "/boot/grub/grub.cfg", content: bytesSource(configuration.bytes) },
    kernel: { path: kernelPath, content: image },
    ...(initrd && { initrd: { path: initrdPath, content: initrd } }),
  };
}

/** A file beside a UKI of removable media, beside one at another place. */
function besideUki({ path, content }: EspFile, ukiPath: string): EspFile {
  return { path: path.replace(/^\/EFI\/BOOT\/BOOTX64\.EFI(?=\.extra\.d\/)/, ukiPath), content };
}

function onlyBanks(prediction: Prediction, banks: readonly HashAlgorithm[]): Prediction {
  const only = <T>(byBank: Partial<Record<HashAlgorithm, T>>) =>
    Object.fromEntries(
      Object.entries(byBank).filter(([bank]) => banks.includes(bank as HashAlgorithm)),
    ) as typeof byBank;
  return {
    ...prediction,
    events: prediction.events.map((event) => ({ ...event, digests: only(event.digests) })),
    registers: { ...prediction.registers, pcr: only(prediction.registers.pcr) },
    phases: only(prediction.phases),
    ...(prediction.alternatives && {
      alternatives: prediction.alternatives.map((each) => ({ ...each, values: each.values.map(only) })),
    }),
  };
}

function withoutPcrs({ refused, unmeasured }: Prediction): Prediction {
  return {
    events: [],
    registers: { pcr: {} },
    phases: {},
    unpredicted: [],
    refused,
    ...(unmeasured && { unmeasured }),
  };
}

function merge(own: Prediction, tees: readonly TeePrediction[]): Prediction {
  return tees.reduce<Prediction>(
    (all, part) => ({
      ...all,
      events: [...all.events, ...part.events],
      registers: { ...part.registers, ...all.registers, pcr: all.registers.pcr },
      unpredicted: [...all.unpredicted, ...part.unpredicted],
      ...mergedAlternatives(all, part),
    }),
    own,
  );
}

function mergedAlternatives(a: TeePrediction, b: TeePrediction): Pick<Prediction, "alternatives"> {
  const alternatives = [...(a.alternatives ?? []), ...(b.alternatives ?? [])];
  return alternatives.length > 0 ? { alternatives } : {};
}

/** Leaves open what the platform says that nobody can know; its reason is nearer than any other. */
function leaveOpen(prediction: Prediction, reasons: Readonly<Record<string, string>>): Prediction {
  const isOpen = (register: string) => Object.hasOwn(reasons, register);
  const { registers } = prediction;
  const pcr = Object.fromEntries(
    Object.entries(registers.pcr).map(([bank, values]) => [
      bank,
      Object.fromEntries(Object.entries(values).filter(([index]) => !isOpen(`pcr${index}`))),
    ]),
  );
  const rtmr = Object.fromEntries(Object.entries(registers.rtmr ?? {}).filter(([index]) => !isOpen(`rtmr${index}`)));
  const { mrtd, launchDigest } = registers;
  const declared = Object.entries(reasons).map(([register, reason]) => ({ register, reason }));
  return {
    ...prediction,
    events: prediction.events.filter(({ register }) => !isOpen(register)),
    registers: {
      pcr,
      ...(mrtd !== undefined && !isOpen("mrtd") && { mrtd }),
      ...(registers.rtmr && { rtmr }),
      ...(launchDigest !== undefined && !isOpen("launchDigest") && { launchDigest }),
    },
    unpredicted: [...prediction.unpredicted.filter(({ register }) => !isOpen(register)), ...declared].sort(
      (a, b) => placeOf(a.register) - placeOf(b.register),
    ),
  };
}

/** PCRs by their numbers, what a TEE reports behind them. */
function placeOf(register: string): number {
  return pcrOf(register) ?? Number.MAX_SAFE_INTEGER;
}
