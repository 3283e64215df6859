import type { Rule } from "./rule.ts";
import { COMMAND_LINE_RULES } from "./rules/command-line.ts";
import { DEVICE_RULES } from "./rules/devices.ts";
import { LOGIN_RULES } from "./rules/logins.ts";
import { PLATFORM_RULES } from "./rules/platforms.ts";
import { SYSTEMD_RULES } from "./rules/systemd.ts";

/** Every rule, in the order in which findings of one severity are listed. */
export const RULES: readonly Rule[] = [
  ...PLATFORM_RULES,
  ...COMMAND_LINE_RULES,
  ...SYSTEMD_RULES,
  ...LOGIN_RULES,
  ...DEVICE_RULES,
];
