import { formatUnit } from "./unit-syntax.ts";

/** Where the journal's limits lie in the image. */
export const JOURNALD_PATH = "/usr/lib/systemd/journald.conf.d/50-cvm.conf";

/**
 * Limits of the journal: in memory, since the image has no disk of its own, in small files that are dropped one by one,
 * and no service may flood it.
 * @see journald.conf(5)
 */
export function formatJournaldLimits(): string {
  return formatUnit("Written by cvm-build: the journal is in memory, rotated and bounded.", [
    {
      name: "Journal",
      settings: [
        ["Storage", "volatile"],
        ["RuntimeMaxUse", "64M"],
        ["RuntimeMaxFileSize", "8M"],
        ["SystemMaxUse", "64M"],
        ["SystemMaxFileSize", "8M"],
        ["RateLimitIntervalSec", "30s"],
        ["RateLimitBurst", "10000"],
        ["ForwardToSyslog", "no"],
        ["ForwardToWall", "no"],
      ],
    },
  ]);
}
