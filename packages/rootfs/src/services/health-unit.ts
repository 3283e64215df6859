import type { ServiceDeclaration } from "@cvm-build/profile";
import { healthCommand } from "./probe-command.ts";
import { proberSandbox } from "./sandbox.ts";
import { accountSettings, originComment, SYSTEMCTL_PATH } from "./service-unit.ts";
import { escapeText, formatUnit, type UnitSetting } from "./unit-syntax.ts";

/** Started with the name of a service as instance, it kills that service. */
export const KILL_UNIT = "cvm-kill-unhealthy@.service";

/** Programs of a tcp or http question fit in this; a command of the user's gets more. In bytes. */
const PROBER_MEMORY_BYTES = 32 * 1024 * 1024;
const EXEC_PROBER_MEMORY_BYTES = 256 * 1024 * 1024;

/**
 * The unit that asks a service how it is, as the service's own user. It fails after too many bad answers, and
 * `OnFailure=` then kills the service, which comes back by its own restart policy: counted, delayed and limited.
 */
export function formatHealthUnit(
  service: ServiceDeclaration,
  health: NonNullable<ServiceDeclaration["health"]>,
): string {
  const unit = `${service.name}.service`;
  const memory = health.kind === "exec" ? EXEC_PROBER_MEMORY_BYTES : PROBER_MEMORY_BYTES;
  const namespace: UnitSetting[] = service.sandbox.network === "none" ? [["JoinsNamespaceOf", unit]] : [];
  return formatUnit(originComment(service), [
    {
      name: "Unit",
      settings: [
        ["Description", `Health of ${escapeText(service.description)}`],
        ["BindsTo", unit],
        ["After", unit],
        ...namespace,
        ["OnFailure", KILL_UNIT.replace("@", `@${service.name}`)],
        ["OnFailureJobMode", "replace"],
        ["StartLimitIntervalSec", "0"],
      ],
    },
    {
      name: "Service",
      settings: [
        ["Type", "exec"],
        ["ExecStart", healthCommand(health)],
        // The shell may say so in its exit status when it is told to end.
        ["SuccessExitStatus", "143"],
        ["TimeoutStopSec", "5s"],
        ...accountSettings(service),
        ["MemoryMax", String(memory)],
        ["TasksMax", "32"],
        ...proberSandbox(service),
      ],
    },
  ]);
}

/**
 * The template that kills an unhealthy service. SIGKILL, since a process that is stopped or stuck answers nothing else,
 * and a service that has failed its checks has crashed as far as its users can tell.
 */
export function formatKillUnit(): string {
  return formatUnit("Written by cvm-build: kills a service whose health check has failed.", [
    {
      name: "Unit",
      settings: [
        ["Description", "Kill of the unhealthy service %i"],
        ["StartLimitIntervalSec", "0"],
      ],
    },
    {
      name: "Service",
      settings: [
        ["Type", "oneshot"],
        ["ExecStart", `${SYSTEMCTL_PATH} kill --kill-whom=all --signal=SIGKILL %i.service`],
        ["ProtectSystem", "strict"],
        ["ProtectHome", "yes"],
        ["NoNewPrivileges", "yes"],
        ["CapabilityBoundingSet", ""],
        ["RestrictAddressFamilies", "AF_UNIX"],
        ["PrivateNetwork", "yes"],
        ["SystemCallFilter", "@system-service"],
        ["SystemCallArchitectures", "native"],
      ],
    },
  ]);
}
