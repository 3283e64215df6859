import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { bytesSource } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { predictSevEsLaunch } from "./sev-launch.ts";
import { predictSnpLaunch } from "./snp-launch.ts";
import type { VmmKind } from "./vmm.ts";

const VECTORS = join(import.meta.dirname, "../../../../../shared/vectors");
const BOOKWORM = "firmware/bookworm-ovmf-2022.11-OVMF.fd.gz";
const SID = "firmware/sid-ovmf-generic-2026.08-OVMF.fd.gz";
const TRIXIE = "firmware/trixie-ovmf-2025.02-OVMF.fd.gz";
const AMD_SEV = "sev-snp/inputs/ovmf_AmdSev_suffix.bin";

interface Case {
  firmware: string;
  vmm: VmmKind;
  cpuSignature: number;
  vcpus: number;
  guestFeatures: bigint;
  /** Whether `kernel.bin` is hashed, and `initrd.bin`, and with which command line. */
  kernel?: { initrd?: true; commandLine?: string };
  launchDigest: string;
}

/**
 * What sev-snp-measure 0.0.13 (8f2b337, Apache-2.0; `calc_launch_digest`) gives for options drawn at random: counts,
 * features and signatures beyond those of the vectors, command lines beyond ASCII.
 */
const SNP: readonly Case[] = [
  {
    firmware: TRIXIE,
    vmm: "qemu",
    cpuSignature: 0xc1_0f82,
    vcpus: 512,
    guestFeatures: 0x21n,
    launchDigest: "5d349e17187f6be1ae073c93258b225d786d36def70ccd279297110b85f7dd8f3e1937fc51d5c4635a55eef907c07586",
  },
  {
    firmware: TRIXIE,
    vmm: "qemu",
    cpuSignature: 0x106_0fd1,
    vcpus: 32,
    guestFeatures: 0x4201n,
    launchDigest: "af076fa49645259c5fdf6ff39728576fd5d80734700e79daa1f7ec32b5f30b22f55662031f271b4da7fd95d82eeca650",
  },
  {
    firmware: TRIXIE,
    vmm: "qemu",
    cpuSignature: 0x72_0fed,
    vcpus: 3,
    guestFeatures: 0x8221n,
    launchDigest: "679e9fae868ad02d49a79e29378ff03e5e4a5bc8eae3464ba0dae8801c49da226e866072961ddfd03dbf90d0428d7457",
  },
  {
    firmware: SID,
    vmm: "qemu",
    cpuSignature: 0x141_0ffc,
    vcpus: 3,
    guestFeatures: 0x201n,
    kernel: { initrd: true, commandLine: "x" },
    launchDigest: "0750547be7aae3dc086f2d00525eaccbfc71d06361990f82fab7d5317271bc7b5c79ddf51c4177724d234c7f335245a1",
  },
  {
    firmware: TRIXIE,
    vmm: "qemu",
    cpuSignature: 0x113_0fc9,
    vcpus: 512,
    guestFeatures: 0x100_0000_0001n,
    launchDigest: "03dde0d5b7c6d9033952bf6ea5f1edf3ce2ae070bced94a7b54a5b4832d31656b0500238aa1e0a4ed785ce4e76872912",
  },
  {
    firmware: SID,
    vmm: "qemu",
    cpuSignature: 0x126_0f0b,
    vcpus: 32,
    guestFeatures: 0x8221n,
    launchDigest: "4e904c8c2ac9b8b49e83bf5b29a9901fed0c1e803a68eb62d2032bab49d58bbb92a7f2f2a727734c4f134e21d052ec06",
  },
  {
    firmware: AMD_SEV,
    vmm: "qemu",
    cpuSignature: 0x136_0f9f,
    vcpus: 512,
    guestFeatures: 0x4201n,
    launchDigest: "b10f792374a4bdc7f93585dbbde4412c0fcd0a001b14f734db49c53c09f43cc90a674b27a29f0b8d240b4281731b97fe",
  },
  {
    firmware: TRIXIE,
    vmm: "gce",
    cpuSignature: 0xb9_0f97,
    vcpus: 33,
    guestFeatures: 0x100_0000_0001n,
    launchDigest: "dbac1b66dc07b3eaf120ddc2991ce7e242910848d00e5c957b67808ab5cd1aa52f6479df2c15c951ef0796ccc36efb23",
  },
  {
    firmware: SID,
    vmm: "qemu",
    cpuSignature: 0x129_0f9f,
    vcpus: 129,
    guestFeatures: 0x100_0000_0001n,
    kernel: {},
    launchDigest: "b9b832c18df49d2cd2687a510b640d4dff45a1cab3ee7f0dd0f480eaf22379d9427b7867de823c69a8f4f21caa937b03",
  },
  {
    firmware: AMD_SEV,
    vmm: "gce",
    cpuSignature: 0x5a_0ff4,
    vcpus: 255,
    guestFeatures: 0x4201n,
    kernel: { initrd: true },
    launchDigest: "d99d98a9aa241228ab286685f41a5b3f72196581b6f5c1ae739c31137e114786dc06689db1bbf4555ef4cecd06dfae17",
  },
  {
    firmware: TRIXIE,
    vmm: "ec2",
    cpuSignature: 0x13f_0fee,
    vcpus: 32,
    guestFeatures: 0x21n,
    launchDigest: "5ff0afe88b530af004a1218f77c6df8b1108c9e169f243accb58a66fef2a3b90cf33217c9fd761ff78f07ac3604f72e4",
  },
  {
    firmware: TRIXIE,
    vmm: "gce",
    cpuSignature: 0x162_0f11,
    vcpus: 100,
    guestFeatures: 0x100_0000_0001n,
    launchDigest: "ade24fc26b93e0f4fa4d0e91d66f109fcbfc4ed94c4f5922646cf283310934c29061d365a5533f60dd49b8485b6e500e",
  },
  {
    firmware: AMD_SEV,
    vmm: "gce",
    cpuSignature: 0x9c_0f5b,
    vcpus: 3,
    guestFeatures: 0x4201n,
    kernel: { initrd: true },
    launchDigest: "1044bcdd2e0dc075521340336b3c038c2972ea9fa3f9371024412f6ce1100add9022c1b9566cf98b5ce2292d836aba62",
  },
  {
    firmware: SID,
    vmm: "qemu",
    cpuSignature: 0x189_0f34,
    vcpus: 47,
    guestFeatures: 0x4201n,
    kernel: { commandLine: "ü€ 漢字" },
    launchDigest: "b0c724fa8c66416481ee94fe00e1d569d2767199bb84f9d02e91675b156e4f8ac66162390248641e0d842579cb286d41",
  },
  {
    firmware: SID,
    vmm: "gce",
    cpuSignature: 0xc8_0fe4,
    vcpus: 240,
    guestFeatures: 0x8221n,
    kernel: { initrd: true, commandLine: "ü€ 漢字" },
    launchDigest: "b9e09313f049fcc28b64c63980b0bb2da547b6ba30337d82ecd3efcd813c3d472f867973ed8e72094bc9f4fae1d27b4f",
  },
  {
    firmware: AMD_SEV,
    vmm: "gce",
    cpuSignature: 0x74_0fd2,
    vcpus: 33,
    guestFeatures: 0x201n,
    kernel: { commandLine: "x" },
    launchDigest: "545c4cfb8a72794ed808cb8f122b689ed385c10e5a05256051ccb7b55545f84abc8594b715024c5a637c1796d1d54042",
  },
];

/** What it gave before it knew of Linux 6.10 (ae95e59^), and of EC2 in April 2026 (4a02bf0^); EPYC-Milan, DebugSwap. */
const EARLIER: readonly Case[] = (
  [
    [
      "qemu-before-6.10-host",
      1,
      "b465d29409b8c078d2ad041a299720c53c6ece3521662ea0ffd68941f3df8eaa2a47ba7630be343edba16ca8a1eb6728",
    ],
    [
      "qemu-before-6.10-host",
      4,
      "aa6387fc2208b248831c48e1cfa0992c1e993aafaafcf223fea0a73bd7460db476d6449ddbeee39d345df82c82cd0593",
    ],
    [
      "ec2-before-2026-04",
      1,
      "5249e307cdd6dd24215d8ac28cfe042f874cd6819fde9c766b5db38a49f5e34c09ca9b34a20db1e1d5d69a71b4e6a0b8",
    ],
    [
      "ec2-before-2026-04",
      4,
      "6774c65b3f55efdffea2e431904dfcab2296202d962c14525eab2501e34ac0984352cfa62e1103db77f90ba9127ba4ff",
    ],
  ] as const
).map(([vmm, vcpus, launchDigest]) => ({
  firmware: vmm === "ec2-before-2026-04" ? AMD_SEV : BOOKWORM,
  vmm,
  cpuSignature: 0xa0_0f11,
  vcpus,
  guestFeatures: 0x21n,
  launchDigest,
}));

/** Of SEV-ES, by 0.0.13 again. */
const SEV_ES: readonly Case[] = [
  {
    firmware: TRIXIE,
    vmm: "qemu",
    cpuSignature: 0x89_0f00,
    vcpus: 33,
    guestFeatures: 0x0n,
    launchDigest: "fa2c0f4ee0d57103faae038c1911fb9735c516c738268c53656efa7d56995cdf",
  },
  {
    firmware: TRIXIE,
    vmm: "ec2",
    cpuSignature: 0x13a_0f34,
    vcpus: 512,
    guestFeatures: 0x0n,
    launchDigest: "16fa1f4ebd607f65e218007d169ee43846a627f7be4d2b93a02460206a2d407c",
  },
  {
    firmware: AMD_SEV,
    vmm: "qemu",
    cpuSignature: 0xec_0f8c,
    vcpus: 240,
    guestFeatures: 0x0n,
    kernel: { initrd: true, commandLine: "ü€ 漢字" },
    launchDigest: "fb71930f610711075168143b20c08bc6a8a69818fd29ff50d1eadbfe6bb18fb6",
  },
  {
    firmware: SID,
    vmm: "qemu",
    cpuSignature: 0x26_0fae,
    vcpus: 33,
    guestFeatures: 0x0n,
    kernel: {},
    launchDigest: "40c44a6064203f7b1b485adf61704ffbb6841097f696eb16196c4c361a4c0407",
  },
];

function optionsOf({ firmware, kernel, ...options }: Case) {
  const read = (path: string): Buffer => {
    const bytes = readFileSync(join(VECTORS, path));
    return path.endsWith(".gz") ? gunzipSync(bytes) : bytes;
  };
  const input = (name: string) => bytesSource(read(`sev-snp/inputs/${name}`));
  const { initrd, ...commandLine } = kernel ?? {};
  const kernelHashes = { kernel: input("kernel.bin"), ...(initrd && { initrd: input("initrd.bin") }), ...commandLine };
  return { ...options, firmware: read(firmware), ...(kernel && { kernelHashes }) };
}

describe.skipIf(!existsSync(VECTORS))("launch digests of odd guests", () => {
  it.each([...SNP, ...EARLIER])("of SEV-SNP are sev-snp-measure's: $vmm, $vcpus vCPUs", (known) => {
    expect(predictSnpLaunch(optionsOf(known)).launchDigest).toBe(known.launchDigest);
  });

  it.each(SEV_ES)("of SEV-ES are sev-snp-measure's: $vmm, $vcpus vCPUs", (known) => {
    expect(predictSevEsLaunch(optionsOf(known)).launchDigest).toBe(known.launchDigest);
  });
});
