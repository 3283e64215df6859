import type { LintPlatform } from "../subject.ts";
import { platformPlace } from "../subject.ts";
import { rule } from "../rule.ts";
import type { Place } from "../finding.ts";

/** First stub that may add a random secret to the initrd. */
const BOOT_SECRET_SINCE = 261;
/** What is told to systemd-stub is measured there, and nothing else of a plain boot. */
const STUB_INPUTS = ["pcr12", "pcr13"];

/** What follows from firmware, boot path and machine. */
export const PLATFORM_RULES = [
  rule({
    id: "kernel-unmeasured",
    severity: "error",
    host: "boot another kernel: firmware starts one that it does not measure",
    registers: "in none: PCR 4 and 7 are as without any kernel",
    fix: "boot from an EFI system partition or a UKI in place of a kernel, or use OVMF of 2026.08 or later, which refuses to start it",
    needs: ["platforms"],
    find: ({ platforms }) =>
      platforms.flatMap((platform) =>
        (platform.measured.unmeasured ?? []).map(({ path, reason }) => platformPlace(platform, `${path}: ${reason}`)),
      ),
  }),
  rule({
    id: "launch-without-kernel",
    severity: "error",
    host: "boot another kernel, initrd or command line: the launch digest is of the firmware alone, and there is no TPM",
    registers: "in none: the launch digest stays the same",
    fix: "set snp: kernelHashes: true, with firmware that has a page for them (OvmfPkg/AmdSev), or put the image into an IGVM file, or give the guest a TPM of an SVSM",
    needs: ["platforms"],
    find: ({ platforms }) => placesOf(platforms, isLaunchOfFirmwareAlone),
  }),
  rule({
    id: "open-registers",
    severity: "warning",
    host: "pass a command line, credentials or extensions that no verifier notices: where they would show has no predicted value",
    registers: "PCR 12 and 13 (RTMR 2) are not predicted, so nobody can compare them",
    fix: "have the platform say what the reason asks for, or use a stub and companions that are predicted",
    needs: ["platforms"],
    find: ({ platforms }) => platforms.flatMap(openInputs),
  }),
  rule({
    id: "command-line-override",
    severity: "note",
    host: "replace the kernel command line, with what it passes to the image (-append, load options, SMBIOS type 11), since Secure Boot is off",
    registers: "PCR 12 and 9 (RTMR 2) alone; PCR 4 and 11 stay the same",
    fix: "have verifiers compare PCR 12 (RTMR 2), or enable Secure Boot with keys of your own: SecureBootVariables=",
    needs: ["platforms"],
    find: ({ platforms, hasCommandLine }) =>
      placesOf(platforms, (platform) => takesCommandLine(platform, { hasCommandLine })),
  }),
  rule({
    id: "companions",
    severity: "note",
    host: "put credentials and extensions beside the UKI and, with Secure Boot off, unsigned add-ons: systemd-stub takes them all",
    registers: "PCR 12 for add-ons, credentials and confext images, PCR 13 for sysext images (RTMR 2)",
    fix: "have verifiers compare PCR 12 and 13 (RTMR 2), or boot by -kernel, where there is no partition",
    needs: ["platforms"],
    find: ({ platforms, stubMajorVersion }) =>
      stubMajorVersion === undefined
        ? []
        : placesOf(platforms, ({ declaration: { boot = "esp" } }) => boot === "esp" || boot === "systemd-boot"),
  }),
  rule({
    id: "boot-secret",
    severity: "note",
    host: "decide what the secret of systemd-stub 261 and later is made of, which is part of the initrd and random at each boot",
    registers: "PCR 9 has another value at each boot, and nobody can compare it",
    fix: "compare PCR 11, which has the initrd without it, or boot from a read-only partition without a random seed",
    needs: ["platforms"],
    find: ({ platforms, stubMajorVersion = 0 }) =>
      stubMajorVersion < BOOT_SECRET_SINCE
        ? []
        : platforms.flatMap((platform) => (isOpen(platform, "pcr9") ? [platformPlace(platform)] : [])),
  }),
  rule({
    id: "host-tpm",
    severity: "note",
    host: "say what PCRs it likes: the TPM is the host's or the cloud's, and outside of what protects the guest",
    registers: "PCRs are worth what the TPM's keeper is; MRTD, RTMRs and the launch digest are the hardware's",
    fix: "have verifiers compare the hardware's registers as well, and trust quotes only of keys that the cloud certifies",
    needs: ["platforms"],
    find: ({ platforms }) => placesOf(platforms, hasForeignTpm),
  }),
  rule({
    id: "acpi-tables",
    severity: "note",
    host: "bring ACPI tables, which hold code that the kernel runs",
    registers: "PCR 1 (RTMR 0), which has no predicted value on these platforms",
    fix: "name an event log of a machine like it (tdx: ccel:), which predicts RTMR 0, and have verifiers compare it; elsewhere take the registers from a machine that you trust",
    needs: ["platforms"],
    find: ({ platforms }) => placesOf(platforms, hasOpenTables),
  }),
];

function placesOf(platforms: readonly LintPlatform[], applies: (platform: LintPlatform) => boolean): Place[] {
  return platforms.filter(applies).map((platform) => platformPlace(platform));
}

function isOpen({ measured }: LintPlatform, register: string): boolean {
  return measured.unpredicted.some((each) => each.register === register);
}

function isLaunchOfFirmwareAlone({ declaration }: LintPlatform): boolean {
  const { tee, tpm, paravisor, snp } = declaration;
  if (tee === undefined || tee === "tdx") return false;
  return tpm === false && paravisor !== true && snp?.igvm === undefined && snp?.kernelHashes !== true;
}

/** A kernel by -kernel has the command line that the host gives it, and none of its own; a launch may vouch for it. */
function takesCommandLine(
  { declaration, isSecureBootOn }: LintPlatform,
  { hasCommandLine }: { hasCommandLine: boolean },
): boolean {
  const { boot, tee, tpm, snp } = declaration;
  if (boot === "kernel-bzimage" || (tpm === false && snp?.kernelHashes === true)) return false;
  if (tpm === false && tee !== "tdx") return false;
  // A stub refuses it where Secure Boot is on and there is one in the image, or a TEE around the guest.
  return !isSecureBootOn || (!hasCommandLine && tee === undefined);
}

function openInputs(platform: LintPlatform): Place[] {
  const { declaration, measured } = platform;
  const registers = declaration.tpm === false && declaration.tee === "tdx" ? ["rtmr2"] : STUB_INPUTS;
  return measured.unpredicted
    .filter(({ register }) => registers.includes(register))
    .map(({ register, reason }) => platformPlace(platform, `${register}: ${reason}`));
}

function hasForeignTpm({ declaration }: LintPlatform): boolean {
  const { tee, tpm, paravisor, snp, machine } = declaration;
  if (tee === undefined || tpm === false || paravisor === true) return false;
  if (snp?.igvm !== undefined || snp?.svsm !== undefined) return false;
  // On QEMU, SNP guests have the TPM of an SVSM, or none.
  return tee === "tdx" || (machine.vmm !== undefined && !machine.vmm.startsWith("qemu"));
}

function hasOpenTables(platform: LintPlatform): boolean {
  const { tee, tpm, paravisor } = platform.declaration;
  if (tee === undefined || paravisor === true) return false;
  if (tee === "tdx" && tpm === false) return isOpen(platform, "rtmr0");
  return tpm === false || isOpen(platform, "pcr1");
}
