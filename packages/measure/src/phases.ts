/**
 * The words that systemd extends into PCR 11 as a boot goes on, in order.
 * @see systemd-pcrphase.service(8)
 */
export const BOOT_PHASES = ["enter-initrd", "leave-initrd", "sysinit", "ready"] as const;

/** The words of a system whose initrd is its root file system: it never leaves the initrd. */
export const INITRD_ONLY_PHASES = ["enter-initrd", "sysinit", "ready"] as const;

/**
 * Every phase path that a boot passes through: `["a", "b"]` gives `""`, `"a"`, `"a:b"`.
 * @see systemd-measure(1), `--phase=`
 */
export function phasePaths(phases: readonly string[]): string[] {
  return [...Array(phases.length + 1).keys()].map((count) => phases.slice(0, count).join(":"));
}
