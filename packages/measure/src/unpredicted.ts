import type { UkiSections } from "@cvm-build/uki";
import { mangleCommandLine } from "./command-line.ts";
import type { Addon, EspFile } from "./companions.ts";
import type { Unpredicted } from "./prediction.ts";
import { readWhole } from "./read-whole.ts";

/** Versions of systemd-stub whose measurements were compared with real boots, or read in source between such. */
const KNOWN_STUBS = { first: 252, last: 262 } as const;
/** First stub that may add a random secret to the initrd. */
const BOOT_SECRET_SINCE = 261;

/** Registers that a UKI does not determine, whatever is in it. */
const BEYOND_THE_IMAGE: readonly Unpredicted[] = [
  { register: "pcr0", reason: "depends on the firmware build and, for some, on memory size and number of CPUs" },
  { register: "pcr1", reason: "depends on QEMU's version, devices and firmware settings" },
  { register: "pcr2", reason: "depends on option ROMs of devices" },
  { register: "pcr3", reason: "depends on option ROMs of devices" },
  {
    register: "pcr5",
    reason: "depends on the disk's partition table and on how often firmware retries ExitBootServices",
  },
  { register: "pcr6", reason: "depends on the machine's manufacturer" },
  { register: "pcr8", reason: "not determined by a UKI" },
  { register: "pcr10", reason: "extended by IMA at run time" },
  { register: "pcr14", reason: "depends on shim's variables" },
  { register: "pcr15", reason: "extended by userspace with machine id and volume keys" },
  { register: "pcr16", reason: "for debugging: whoever likes resets and extends it" },
  ...[17, 18, 19, 20, 21, 22].map((pcr) => ({
    register: `pcr${pcr}`,
    reason: "of a dynamic launch (DRTM), which this boot path has not",
  })),
  { register: "pcr23", reason: "for applications: whoever likes resets and extends it" },
];

/**
 * Names the registers that cannot be told in advance for a boot of these sections, each once, with its reason.
 */
export function openRegisters(boot: {
  stubMajorVersion: number;
  sections: UkiSections;
  companions: readonly EspFile[];
  addons: readonly Addon[];
  /** Whether the Secure Boot variables are known. */
  hasVariables: boolean;
}): Unpredicted[] {
  const reasons = new Map<number, string>();
  const leaveOpen = (pcrs: readonly number[], reason: string) => {
    for (const pcr of pcrs) if (!reasons.has(pcr)) reasons.set(pcr, reason);
  };
  const { stubMajorVersion, sections, companions, addons } = boot;
  if (!boot.hasVariables) leaveOpen([7], "depends on the Secure Boot variables of the firmware");
  if (stubMajorVersion < KNOWN_STUBS.first || stubMajorVersion > KNOWN_STUBS.last) {
    const known = `${KNOWN_STUBS.first} to ${KNOWN_STUBS.last}`;
    leaveOpen([4, 9, 11, 12, 13], `what systemd-stub ${stubMajorVersion} measures is not known; ${known} are`);
  }
  if (stubMajorVersion >= BOOT_SECRET_SINCE) {
    leaveOpen([9], `systemd-stub ${stubMajorVersion} adds a secret to the initrd that is random at each boot`);
  }
  if (sections.has(".efifw")) leaveOpen([11], ".efifw is measured only where it matches the machine's hardware ids");
  if (companions.length > 0 && stubMajorVersion > 252 && stubMajorVersion < 256) {
    leaveOpen([4, 9, 12, 13], `how systemd-stub ${stubMajorVersion} measures files beside a UKI was not verified`);
  }
  const conditional = addons.find((addon) => addon.sections.has(".uname") || addon.sections.has(".dtb"));
  if (conditional) leaveOpen([9, 12], `add-on ${conditional.path} takes effect only on some kernels or machines`);
  const cmdline = sections.get(".cmdline")?.content;
  if (cmdline && mangleCommandLine(readWhole(cmdline), stubMajorVersion) === undefined) {
    leaveOpen(
      [9],
      "what systemd-stub makes of a command line that is blank, not ASCII or starts with a space differs by version",
    );
  }
  return [...BEYOND_THE_IMAGE, ...[...reasons].map(([pcr, reason]) => ({ register: `pcr${pcr}`, reason }))].sort(
    (a, b) => Number(a.register.slice(3)) - Number(b.register.slice(3)),
  );
}
