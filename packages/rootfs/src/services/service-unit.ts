import type { ServiceDeclaration } from "@cvm-build/profile";
import { readinessCommand } from "./probe-command.ts";
import { sandboxSettings } from "./sandbox.ts";
import { escapeText, formatUnit, quoteArgument, quoteWord, type UnitSetting } from "./unit-syntax.ts";

/** The program that talks to systemd. */
export const SYSTEMCTL_PATH = "/usr/bin/systemctl";

/** How long a service may take to end when asked to, before it is killed, in seconds. */
const STOP_TIMEOUT_SEC = 30;

/** What a service waits for, as names of units. */
export interface UnitDependencies {
  after: readonly string[];
  requires: readonly string[];
}

/** Name of the unit that watches a service's health. */
export function healthUnitName(service: ServiceDeclaration): string {
  return `${service.name}-health.service`;
}

/** The first line of every unit that we write. */
export function originComment(service: ServiceDeclaration): string {
  return `Written by cvm-build from the declaration of service ${service.name}.`;
}

/**
 * The systemd unit of a service.
 * @throws CvmError `service` where a text cannot stand in a unit file
 * @see systemd.service(5), systemd.unit(5), systemd.exec(5), systemd.resource-control(5), of systemd 257
 */
export function formatServiceUnit(service: ServiceDeclaration, dependencies: UnitDependencies): string {
  return formatUnit(originComment(service), [
    { name: "Unit", settings: unitSettings(service, dependencies) },
    {
      name: "Service",
      settings: [
        ...commandSettings(service),
        ...accountSettings(service),
        ...restartSettings(service),
        ...limitSettings(service),
        ...sandboxSettings(service),
      ],
    },
  ]);
}

/** Settings that say as whom a unit runs. */
export function accountSettings({ user, groups }: ServiceDeclaration): UnitSetting[] {
  return [["User", user], ...list("SupplementaryGroups", groups)];
}

function unitSettings(service: ServiceDeclaration, { after, requires }: UnitDependencies): UnitSetting[] {
  const { limit, withinSec, lastResort } = service.restart;
  return [
    ["Description", escapeText(service.description)],
    ...list("After", after),
    ...list("Requires", requires),
    ...list("Wants", service.health ? [healthUnitName(service)] : []),
    ["StartLimitIntervalSec", seconds(withinSec)],
    ["StartLimitBurst", String(limit)],
    ["StartLimitAction", lastResort],
  ];
}

/** `ExecStartPost=` is what makes `After=` mean ready: a unit counts as started when it has ended. */
function commandSettings(service: ServiceDeclaration): UnitSetting[] {
  const { readiness } = service;
  const settings: UnitSetting[] = [
    ["Type", service.type === "oneshot" ? "oneshot" : "exec"],
    ...(service.type === "oneshot" ? [["RemainAfterExit", "yes"] as const] : []),
    ["ExecStart", service.command.map(quoteArgument).join(" ")],
  ];
  if (readiness) {
    settings.push(["ExecStartPost", readinessCommand(readiness)], ["TimeoutStartSec", seconds(readiness.timeoutSec)]);
  }
  if (service.health) settings.push(["ExecStopPost", stopHealthCommand(service)]);
  settings.push(["TimeoutStopSec", seconds(STOP_TIMEOUT_SEC)]);
  if (service.workingDirectory !== undefined) settings.push(["WorkingDirectory", service.workingDirectory]);
  for (const [name, value] of Object.entries(service.environment).sort(([a], [b]) => (a < b ? -1 : 1))) {
    settings.push(["Environment", quoteWord(`${name}=${value}`)]);
  }
  return settings;
}

/**
 * Whatever ends the service ends its health check, which starts anew when the service is ready again: `RestartMode=direct`
 * shows nobody that the service was down, and a slow start must not count as bad health. It gives way (`fail`) where an
 * operator's restart already has a job for the health check.
 */
function stopHealthCommand(service: ServiceDeclaration): string {
  return `-+${SYSTEMCTL_PATH} stop --no-block --job-mode=fail ${healthUnitName(service)}`;
}

/** `RestartMode=direct` keeps a failure that a restart mends from failing the services that wait for this one. */
function restartSettings({ restart, type }: ServiceDeclaration): UnitSetting[] {
  if (restart.policy === "never") return [["Restart", "no"]];
  // systemd refuses `always` for what is meant to end.
  const policy = type === "oneshot" ? "on-failure" : restart.policy;
  const settings: UnitSetting[] = [
    ["Restart", policy],
    ["RestartMode", "direct"],
    ["RestartSec", seconds(restart.delaySec)],
  ];
  if (restart.backoffSteps > 0 && restart.maxDelaySec > restart.delaySec) {
    settings.push(["RestartSteps", String(restart.backoffSteps)], ["RestartMaxDelaySec", seconds(restart.maxDelaySec)]);
  }
  return settings;
}

function limitSettings({ limits }: ServiceDeclaration): UnitSetting[] {
  const settings: UnitSetting[] = [];
  if (limits.memoryMaxBytes !== undefined) settings.push(["MemoryMax", String(limits.memoryMaxBytes)]);
  if (limits.cpuPercent !== undefined) settings.push(["CPUQuota", `${limits.cpuPercent}%`]);
  if (limits.tasksMax !== undefined) settings.push(["TasksMax", String(limits.tasksMax)]);
  if (limits.openFiles !== undefined) settings.push(["LimitNOFILE", String(limits.openFiles)]);
  return settings;
}

function list(name: string, words: readonly string[]): UnitSetting[] {
  return words.length === 0 ? [] : [[name, words.join(" ")]];
}

function seconds(value: number): string {
  return `${value}s`;
}
