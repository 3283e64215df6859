import { CvmError } from "@cvm-build/bytes";
import { compareUtf8, type FileTree } from "@cvm-build/fs-writer";
import type { ServiceDeclaration } from "@cvm-build/profile";
import type { Finisher, FinisherContext } from "../finisher.ts";
import { finisherEditor } from "../finishers/editor.ts";
import { TreeEditor } from "../tree-editor.ts";
import { checkDeclaration } from "./check-declaration.ts";
import { declarationError } from "./declaration-error.ts";
import { resolveDependencies } from "./dependencies.ts";
import { formatHealthUnit, formatKillUnit, KILL_UNIT } from "./health-unit.ts";
import { formatJournaldLimits, JOURNALD_PATH } from "./journald.ts";
import { BUSYBOX_PATH, PROBE_PATH, PROBE_SCRIPT } from "./probe-script.ts";
import { formatServiceUnit, healthUnitName, SYSTEMCTL_PATH } from "./service-unit.ts";

const UNIT_DIRECTORY = "/usr/lib/systemd/system";
const SYSTEMD_PATH = "/usr/lib/systemd/systemd";
const SSH_SERVERS = ["/usr/sbin/sshd", "/usr/sbin/dropbear", "/usr/sbin/tinysshd"];

/** Writes declared services as units of systemd 257, with what asks them how they are, and bounds the journal. */
export const servicesFinisher: Finisher = {
  name: "services",
  replaces: [],
  finish(tree, context) {
    const editor = finisherEditor(tree, "services", context);
    const { services } = context.profile;
    if (!tree.resolve(SYSTEMD_PATH)) {
      if (services.length === 0) return editor.effect("no systemd in the tree");
      throw new CvmError("service", `cannot run ${services.length} services: expected systemd in the image, got none`, {
        hint: "add `systemd` to Packages=",
      });
    }
    for (const service of services) checkDeclaration(service);
    checkNames(services);
    checkPrograms(tree, services);
    editor.writeFile(JOURNALD_PATH, formatJournaldLimits());
    const written = services.map((service) => writeService(tree, { service, context }));
    if (services.some(({ readiness, health }) => readiness ?? health)) editor.writeFile(PROBE_PATH, PROBE_SCRIPT);
    if (services.some(({ health }) => health)) editor.writeFile(`${UNIT_DIRECTORY}/${KILL_UNIT}`, formatKillUnit());
    const ssh = SSH_SERVERS.filter((path) => tree.resolve(path));
    const sshNote = ssh.length === 0 ? "no ssh server" : `ssh server in the image: ${ssh.join(" ")}`;
    const { summary, paths } = editor.effect(
      `${services.map(({ name }) => name).join(" ") || "no services"}; ${sshNote}`,
    );
    return { summary, paths: [...new Set([...paths, ...written.flat()])].sort(compareUtf8) };
  },
};

/** @returns the paths of the service's own units, which belong to it and not to the finisher */
function writeService(
  tree: FileTree,
  { service, context }: { service: ServiceDeclaration; context: FinisherContext },
): string[] {
  const { services, content } = context.profile;
  const origin = { kind: "service", name: service.name } as const;
  const editor = new TreeEditor(tree, { origin, mtimeSec: content.sourceDateEpochSec });
  const unit = `${service.name}.service`;
  const dependencies = resolveDependencies(service, services, { tree });
  editor.writeFile(`${UNIT_DIRECTORY}/${unit}`, formatServiceUnit(service, dependencies));
  editor.writeSymlink(`${UNIT_DIRECTORY}/${content.defaultTarget}.wants/${unit}`, `../${unit}`);
  if (service.health) {
    editor.writeFile(`${UNIT_DIRECTORY}/${healthUnitName(service)}`, formatHealthUnit(service, service.health));
  }
  return editor.effect(unit).paths;
}

/** A service must not take the name of another's health unit. */
function checkNames(services: readonly ServiceDeclaration[]): void {
  const taken = new Map(services.filter(({ health }) => health).map((service) => [healthUnitName(service), service]));
  for (const service of services) {
    const owner = taken.get(`${service.name}.service`);
    if (!owner) continue;
    const got = `the name of ${owner.name}'s health unit`;
    throw declarationError(service, { field: "name", expected: "its own", got });
  }
}

/**
 * Looks for the programs that units will run: systemd would only say so at boot.
 * @throws CvmError `service` naming what to add
 */
function checkPrograms(tree: FileTree, services: readonly ServiceDeclaration[]): void {
  for (const service of services) {
    const commands = [
      service.command,
      ...[service.readiness, service.health].map((probe) => (probe?.kind === "exec" ? probe.command : [])),
    ];
    for (const [program] of commands) {
      if (program === undefined || tree.resolve(program)) continue;
      throw declarationError(service, { field: "command", expected: "a program in the image", got: program });
    }
    if ((service.readiness ?? service.health) && !tree.resolve(BUSYBOX_PATH)) {
      const hint = "add `busybox` to Packages=";
      throw declarationError(service, {
        field: "probes",
        expected: `asked by ${BUSYBOX_PATH}`,
        got: "no busybox",
        hint,
      });
    }
    if (service.health && !tree.resolve(SYSTEMCTL_PATH)) {
      const hint = "keep systemd's systemctl in the image";
      throw declarationError(service, {
        field: "health",
        expected: `acted upon by ${SYSTEMCTL_PATH}`,
        got: "no systemctl",
        hint,
      });
    }
  }
}
