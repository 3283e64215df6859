import type { z as Zod } from "zod";
import { jsonSchemaOf, schemaParts, zod } from "./schema.ts";

let made: ReturnType<typeof makePlatformSchema> | undefined;

/** The schema of `platforms/NAME.yaml`, made once. */
export function platformSchema(): ReturnType<typeof makePlatformSchema> {
  made ??= makePlatformSchema(zod());
  return made;
}

/** What an author writes in `platforms/NAME.yaml`. */
export type WrittenPlatform = Zod.output<ReturnType<typeof makePlatformSchema>>;

/** Gives the JSON Schema (draft 2020-12) of a platform's file, for editors. */
export function platformJsonSchema(): Record<string, unknown> {
  return jsonSchemaOf(platformSchema(), "cvm-build platform");
}

/** How firmware comes to the image. */
export const BOOT_PATHS = ["esp", "systemd-boot", "kernel-uki", "kernel-bzimage", "grub"] as const;
/** What protects a guest from its host. */
export const TEE_KINDS = ["tdx", "sev-snp", "sev-es", "sev"] as const;
/** Who starts the guest, as its launch is measured. */
export const VMMS = [
  "qemu",
  "qemu-before-6.10-host",
  "ec2",
  "ec2-before-2026-04",
  "gce",
  "gce-genoa",
  "krun",
  "azure",
] as const;

function makePlatformSchema(z: typeof Zod) {
  const { text, list, mapping, oneOf, whole, size } = schemaParts(z);
  const path = text("a path");
  const yesOrNo = z.boolean({ error: "true or false" });
  const hexOf = (bytes: number) => text(`${bytes * 2} lower-case hex digits`, new RegExp(`^[0-9a-f]{${bytes * 2}}$`));
  const firmware = mapping({
    file: path.optional().describe("The image that the machine starts from, relative to this file."),
    variables: path.optional().describe("Its variable store, where that is a file of its own: Secure Boot's keys."),
    noKeys: yesOrNo.optional().describe("Whether its variable store has no keys, as distributions ship it."),
    release: text('a release in quotes such as "2025.02-8+deb13u1"', /^\d{4}\.\d{2}\S*$/)
      .optional()
      .describe("Which OVMF it is, where the file does not say."),
    secureBootSupport: yesOrNo.optional().describe("Whether it was built with Secure Boot. Default: true."),
    build: oneOf(["OvmfPkgX64", "IntelTdxX64", "td-shim"])
      .optional()
      .describe(
        "What firmware of a TD is: td-shim, or the platform of EDK2 that it was built from. Default: as the file says.",
      ),
    measuresCc: yesOrNo.optional().describe("Whether it lets others measure into RTMRs. Default: as its build does."),
    random: yesOrNo.optional().describe("Whether it offers random numbers, from the processor or a device."),
  });
  const machine = mapping({
    vmm: oneOf(VMMS).optional().describe("Who starts the guest. Default: qemu."),
    version: text('a version in quotes such as "10.0"', /^\d+(\.\d+)*$/)
      .optional()
      .describe("Of QEMU."),
    type: oneOf(["q35", "pc"]).optional().describe("QEMU's machine. Default: q35."),
    memory: size.optional(),
    cpus: whole(1, 4096).optional(),
    cpuModel: text("a CPU model of QEMU's such as EPYC-v4", /^[A-Za-z0-9.,=+_-]+$/)
      .optional()
      .describe("Of QEMU's -cpu, with its flags."),
    accelerator: oneOf(["tcg", "kvm"]).optional().describe("Who runs the guest's instructions."),
    suspend: yesOrNo.optional().describe("Whether suspending to memory is offered. Default: yes, as QEMU does."),
    optionRoms: yesOrNo.optional().describe("Whether a device brings code for firmware, such as a network card's."),
    smbiosStrings: list(text("a string")).optional().describe("SMBIOS type 11, which systemd-stub reads."),
  });
  const loader = mapping({
    file: path.describe("systemd-boot or GRUB, which firmware starts."),
    configuration: path.optional().describe("Its loader.conf or grub.cfg."),
    ukiPath: text("an absolute path", /^\/[^\0]*$/)
      .optional()
      .describe("Where the UKI that systemd-boot starts is on the partition. Default: /EFI/Linux/image.efi."),
    kernelPath: text("an absolute path", /^\/[^\0]*$/)
      .optional()
      .describe("How grub.cfg names the kernel. Default: /vmlinuz."),
    initrdPath: text("an absolute path", /^\/[^\0]*$/)
      .optional()
      .describe("How grub.cfg names the initrd. Default: /initrd.img."),
  });
  const shim = mapping({
    file: path.describe("shim, which firmware starts first."),
    path: text("an absolute path", /^\/[^\0]*$/)
      .optional()
      .describe("Where it is on the partition. Default: /EFI/BOOT/BOOTX64.EFI."),
    nextPath: text("an absolute path", /^\/[^\0]*$/)
      .optional()
      .describe("Where what it starts is on the partition. Default: /EFI/BOOT/grubx64.efi."),
    mokList: path.describe("What its variable MokListRT holds, as a file: PCR 14."),
    mokListX: path.describe("What its variable MokListXRT holds, as a file: PCR 14."),
    sbatLevel: path.describe("What its variable SbatLevelRT holds, as a file: PCR 7."),
    mokListTrusted: path.optional().describe("What its variable MokListTrustedRT holds, where this shim has one."),
    authority: mapping({
      name: text("a variable's name such as Shim").describe("The variable that lists it: db, MokList, or Shim."),
      vendor: text("a GUID", /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
        .optional()
        .describe("The variable's. Default: shim's own."),
      data: path.describe("The entry, as a file."),
    })
      .optional()
      .describe("What lets the image start that shim starts, where Secure Boot is on."),
  });
  const disk = mapping({
    partitions: text('"none", or the path of a disk image')
      .optional()
      .describe(
        "The disk that firmware boots from: an image with its GUID partition table, or none where it has no such table.",
      ),
    readOnly: yesOrNo.optional().describe("Whether the machine cannot write to it."),
  });
  const tdx = mapping({
    pages: oneOf(["single-pass", "two-pass"])
      .optional()
      .describe("How the VMM adds firmware's pages. two-pass: QEMU 8 with patches. Default: single-pass."),
    ccel: path
      .optional()
      .describe(
        "The event log of a TD on a machine like it: for ACPI tables and what else the host decides of RTMR 0.",
      ),
    mrConfigId: hexOf(48).optional(),
    mrOwner: hexOf(48).optional(),
    mrOwnerConfig: hexOf(48).optional(),
  });
  const snp = mapping({
    guestFeatures: text('a hexadecimal number in quotes such as "0x1"', /^0x[0-9a-f]{1,16}$/)
      .optional()
      .describe("SEV_FEATURES of the guest. Default: 0x1, SNP alone."),
    kernelHashes: yesOrNo.optional().describe("Whether QEMU is given `kernel-hashes=on`. Default: false."),
    svsm: path.optional().describe("A raw SVSM, as QEMU took it before IGVM."),
    igvm: path.optional().describe("An IGVM file, which takes the place of firmware."),
    igvmLoader: oneOf(["qemu", "coconut-qemu", "openvmm", "vanadium"])
      .optional()
      .describe("Who loads it. Default: qemu; the others are COCONUT's QEMU, OpenVMM and Hyper-V, Google's Vanadium."),
  });
  return mapping({
    description: text("a sentence").describe("What it is, in a few words."),
    boot: oneOf(BOOT_PATHS).optional().describe("How firmware comes to the image. Default: esp."),
    firmware: firmware.optional(),
    machine: machine.optional(),
    loader: loader.optional().describe("What starts the image, where boot is systemd-boot or grub."),
    shim: shim.optional().describe("shim, where firmware starts it before what boot says."),
    disk: disk.optional(),
    tpm: yesOrNo.optional().describe("Whether it has a TPM, of whatever kind. Default: true."),
    tee: oneOf(TEE_KINDS).optional().describe("What protects the guest from its host."),
    tdx: tdx.optional(),
    snp: snp.optional(),
    paravisor: yesOrNo
      .optional()
      .describe(
        "Whether the cloud's own program stands between guest and hardware, whose registers then hold only that.",
      ),
    unpredicted: z
      .record(
        text("a register such as pcr0", /^(pcr([0-9]|1[0-9]|2[0-3])|mrtd|rtmr[0-3]|launchDigest)$/),
        text("the reason"),
        { error: "registers with reasons" },
      )
      .optional()
      .describe("Registers that this platform decides and nobody else can know, and why."),
  });
}
