import { type BootFileNames, bootFileNames } from "../boot-file-names.ts";

/** What is started. */
export interface LaunchedImage {
  names: BootFileNames;
  /** As it is: no shell looks at it. */
  commandLine: string;
  /** Further options of QEMU's, as a shell reads them. */
  options?: readonly string[];
  /** What QEMU's `-m` is unless said otherwise. Default: 2G. */
  memory?: string;
}

/** A way to start a kernel, its initrd and its command line with QEMU. */
export interface LaunchWay {
  /** What its script's name ends with, behind the image's id. */
  suffix: string;
  /** What it is, a sentence. */
  title: string;
  /** What the host must have. */
  needs: string;
  /** What says that this very image was started. */
  proof: string;
  /** The variable that names the firmware, and where distributions keep it. */
  firmware: { variable: string; fallback: string };
  /** Options that are the machine's, with variables of the script. */
  machine: readonly (readonly [option: string, value: string])[];
}

const RAM = "memory-backend-memfd,id=ram0,size=$MEMORY,share=true,prealloc=false";
const SNP = "sev-snp-guest,id=cgs0,policy=0x30000,cbitpos=51,reduced-phys-bits=1";

/**
 * Every way to start an image by `-kernel`.
 * @see QEMU, docs/system/i386/amd-memory-encryption.rst, tdx.rst; qemu-system-x86_64(1), `-object igvm-cfg`
 */
export const LAUNCH_WAYS = {
  plain: {
    suffix: ".qemu-plain.sh",
    title: "A virtual machine without a TEE",
    needs: "QEMU and OVMF; with QEMU before 10 and without KVM, ACCEL=tcg CPU=max,-cx16",
    proof: "nothing that a verifier could trust: with a TPM, what firmware measured",
    firmware: { variable: "OVMF", fallback: "/usr/share/ovmf/OVMF.fd" },
    machine: [
      ["-machine", "q35,accel=${ACCEL:-kvm:tcg}"],
      ["-cpu", "${CPU:-max}"],
      ["-bios", "$OVMF"],
    ],
  },
  snp: {
    suffix: ".qemu-snp.sh",
    title: "An SEV-SNP guest whose firmware holds kernel, initrd and command line against hashes",
    needs: "QEMU 9.1 and Linux 6.11 on AMD EPYC 7003 or later, and OVMF built from OvmfPkg/AmdSev",
    proof: "the launch digest, which is of firmware, processors and these hashes",
    firmware: { variable: "OVMF", fallback: "/usr/share/ovmf/OVMF.amdsev.fd" },
    machine: [
      ["-machine", "q35,accel=kvm,confidential-guest-support=cgs0,memory-backend=ram0,vmport=off"],
      ["-cpu", "EPYC-v4"],
      ["-object", RAM],
      ["-object", `${SNP},kernel-hashes=on`],
      ["-bios", "$OVMF"],
    ],
  },
  snpSvsm: {
    suffix: ".qemu-snp-svsm.sh",
    title: "An SEV-SNP guest in which COCONUT-SVSM keeps a TPM",
    needs: "QEMU and Linux with support for COCONUT-SVSM, and its IGVM file, which holds firmware too",
    proof: "the launch digest, which is of the IGVM file, and the SVSM's TPM, where firmware measures the kernel",
    firmware: { variable: "IGVM", fallback: "coconut-qemu.igvm" },
    machine: [
      ["-machine", "q35,accel=kvm,confidential-guest-support=cgs0,memory-backend=ram0,igvm-cfg=igvm0"],
      ["-cpu", "EPYC-v4"],
      ["-object", RAM],
      ["-object", SNP],
      ["-object", "igvm-cfg,id=igvm0,file=$IGVM"],
    ],
  },
  tdx: {
    suffix: ".qemu-tdx.sh",
    title: "An Intel TDX trust domain",
    needs: "QEMU 10.1 and Linux 6.16 on Intel Xeon with TDX, and OVMF with support for it",
    proof: "MRTD, which is of firmware, and RTMR 1 and 2, into which it measures kernel, command line and initrd",
    firmware: { variable: "OVMF", fallback: "/usr/share/ovmf/OVMF.inteltdx.fd" },
    machine: [
      ["-machine", "q35,accel=kvm,kernel-irqchip=split,confidential-guest-support=cgs0"],
      ["-cpu", "host"],
      ["-object", "tdx-guest,id=cgs0"],
      ["-bios", "$OVMF"],
    ],
  },
} as const satisfies Record<string, LaunchWay>;

/** What is the same of all: no device that nobody asked for, and no option ROM, which firmware would measure. */
const COMMON = "-nodefaults -no-user-config -display none -serial mon:stdio -no-reboot";

/** A way to start an image that was built for `-kernel`, as it is shown. */
export interface Launch {
  /** Name of its script in the output directory. */
  file: string;
  title: string;
  needs: string;
  proof: string;
  /** QEMU's command line in the image's folder, with the script's variables. */
  command: string;
}

/** Every way to start an image. */
export function launchesOf(imageId: string, commandLine: string): Launch[] {
  const image = { names: bootFileNames(imageId), commandLine };
  return Object.values(LAUNCH_WAYS).map((way) => ({
    file: `${imageId}${way.suffix}`,
    title: way.title,
    needs: way.needs,
    proof: way.proof,
    command: ["qemu-system-x86_64", ...launchOptions(way, image)].join(" "),
  }));
}

/**
 * A script that starts QEMU with an image, from wherever it is called. Arguments of the script are further ones of QEMU.
 */
export function formatLaunchScript(way: LaunchWay, image: LaunchedImage): string {
  const { variable, fallback } = way.firmware;
  return [
    "#!/bin/sh",
    `# ${way.title}.`,
    `# Needs ${way.needs}.`,
    `# What proves it: ${way.proof}.`,
    "set -eu",
    `${variable}=$(realpath "\${${variable}:-${fallback}}")`,
    `MEMORY=\${MEMORY:-${image.memory ?? "2G"}}`,
    "CPUS=${CPUS:-1}",
    'cd "$(dirname "$0")"',
    `exec "\${QEMU:-qemu-system-x86_64}" \\\n    ${[...launchOptions(way, image), '"$@"'].join(" \\\n    ")}`,
    "",
  ].join("\n");
}

/** QEMU's options, each with its value, quoted for a shell that has the script's variables. */
export function launchOptions(way: LaunchWay, { names, commandLine, options = [] }: LaunchedImage): string[] {
  const files = [`-kernel ${quoteWord(names.kernel)}`, `-initrd ${quoteWord(names.initrd)}`];
  const append = commandLine === "" ? [] : [`-append ${quoteLiterally(commandLine)}`];
  const machine = way.machine.map(([option, value]) => `${option} ${quoteWord(value)}`);
  return [COMMON, ...machine, '-smp "$CPUS"', '-m "$MEMORY"', ...files, ...append, ...options];
}

/** A word that may hold variables of the script's. */
function quoteWord(word: string): string {
  return /^[A-Za-z0-9_./:=,-]+$/.test(word) ? word : `"${word}"`;
}

function quoteLiterally(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
