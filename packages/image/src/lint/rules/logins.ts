import type { FileTree } from "@cvm-build/fs-writer";
import { findUnit } from "@cvm-build/rootfs";
import { accountsOf, canLogIn } from "../accounts.ts";
import type { Place } from "../finding.ts";
import { isSwitchedOff, valueOf } from "../kernel-parameters.ts";
import { rule } from "../rule.ts";
import { filePlace, type Known } from "../subject.ts";
import {
  hasFile,
  hasProgram,
  isStartable,
  readText,
  type StartedUnit,
  startedUnits,
  type UnitCommand,
  unitCommands,
  unitValues,
} from "../units.ts";

const SHELLS = /^(sh|bash|dash|ash|zsh|ksh)$/;
const GETTYS = /^(agetty|getty|mingetty|fgetty|login)$/;
/** Instances that a generator starts: one on each console of the kernel's. */
const GENERATED_GETTY = "serial-getty@.service";
const GETTY_GENERATOR = "/usr/lib/systemd/system-generators/systemd-getty-generator";
const EMERGENCY_UNITS = ["emergency.service", "rescue.service"];
/** Where dracut's shell is, with systemd in the initrd and before the two directories were one. */
const DRACUT_EMERGENCY = ["/usr/bin/dracut-emergency", "/bin/dracut-emergency"];
/** What initramfs-tools calls where a boot fails. */
const INITRAMFS_TOOLS = "/scripts/functions";
const LOGIN_PROGRAMS = ["login", "sulogin", "sshd", "su"];

/** Ways for whoever has the console, which is the host, to get in. */
export const LOGIN_RULES = [
  rule({
    id: "root-shell",
    severity: "error",
    host: "type into a shell on a console that belongs to it; nobody asks for a password",
    registers: "in none: what is typed is not measured",
    fix: "disable or mask the unit",
    needs: ["tree"],
    find: ({ tree }) =>
      startedUnits(tree)
        .filter(({ name }) => isShell(tree, name))
        .map(unitPlace),
  }),
  rule({
    id: "autologin",
    severity: "error",
    host: "use a console that logs in by itself",
    registers: "in none: what is typed is not measured",
    fix: "set Autologin=no, or disable the unit",
    needs: ["tree"],
    find: ({ tree }) =>
      gettys(tree)
        .filter(({ command }) => command.args.some((arg) => /^(--autologin|-a)(=|$)/.test(arg)))
        .map(({ place }) => place),
  }),
  rule({
    id: "empty-password",
    severity: "error",
    host: "log in without a password",
    registers: "in none",
    fix: "lock the account, or give it a password: RootPassword=",
    needs: ["tree"],
    find: ({ tree }) =>
      LOGIN_PROGRAMS.some((program) => hasProgram(tree, program))
        ? accountsOf(tree)
            .filter((account) => account.password === "none" && account.hasShell)
            .map(({ name }) => filePlace("/etc/shadow", name))
        : [],
  }),
  rule({
    id: "console-login",
    severity: "warning",
    host: "try passwords on a console that belongs to it",
    registers: "in none",
    fix: "mask the unit, or lock all accounts: leave RootPassword= unset",
    needs: ["tree"],
    find: ({ tree }) => (accountsOf(tree).some(canLogIn) ? gettys(tree).map(({ place }) => place) : []),
  }),
  rule({
    id: "emergency-shell",
    severity: "warning",
    host: "make the boot fail (with a disk that is missing, say) and get a root shell on the console",
    registers: "in none but PCR 11, where the phase sysinit or ready is then missing",
    fix: "mask emergency.service and rescue.service, or put units in their place that start the machine again, or lock root; in initrds of dracut add rd.shell=0, of initramfs-tools panic=10",
    needs: ["tree"],
    find: (subject) => [...emergencyUnits(subject.tree), ...initrdShells(subject)],
  }),
];

function isShell(tree: FileTree, unit: string): boolean {
  const input = unitValues(tree, unit, "Service.StandardInput").at(-1) ?? "";
  return input.startsWith("tty") && unitCommands(tree, unit).some((command) => isInteractive(tree, command));
}

/** A shell without a script. */
function isInteractive(tree: FileTree, { program, args }: UnitCommand): boolean {
  const [name = "", rest = args] = baseName(program) === "busybox" ? [args[0], args.slice(1)] : [baseName(program)];
  const isScripted = rest.some((arg) => !arg.startsWith("-") || /^-[a-z]*c/.test(arg));
  return SHELLS.test(name) && !isScripted && hasProgram(tree, program);
}

/** Units that offer a login, with the command that does. */
function gettys(tree: FileTree): { command: UnitCommand; place: Place }[] {
  const generated = hasFile(tree, GETTY_GENERATOR) ? [{ name: GENERATED_GETTY, link: GETTY_GENERATOR }] : [];
  return [...startedUnits(tree), ...generated.filter(({ name }) => isStartable(tree, name))].flatMap((unit) => {
    const command = unitCommands(tree, unit.name).find((each) => isGetty(tree, each));
    return command ? [{ command, place: unitPlace(unit) }] : [];
  });
}

function isGetty(tree: FileTree, { program, args }: UnitCommand): boolean {
  const name = baseName(program) === "busybox" ? (args[0] ?? "") : baseName(program);
  return GETTYS.test(name) && hasProgram(tree, program);
}

function emergencyUnits(tree: FileTree): Place[] {
  return EMERGENCY_UNITS.filter((name) => givesShell(tree, name)).map((name) =>
    filePlace(findUnit(tree, name) ?? name),
  );
}

/** Scripts that start a shell where an initrd fails, unless the command line says otherwise. */
function initrdShells({ tree, commandLines }: Known<"tree">): Place[] {
  const dracut = DRACUT_EMERGENCY.filter((path) => hasFile(tree, path));
  const isDracutOpen = commandLines.some((parameters) => !isSwitchedOff(parameters, "rd.shell"));
  const isDebian = /^panic\(\)/m.test(readText(tree, INITRAMFS_TOOLS) ?? "");
  const isDebianOpen = commandLines.some((parameters) => !valueOf(parameters, "panic"));
  return [...(isDracutOpen ? dracut.slice(0, 1) : []), ...(isDebian && isDebianOpen ? [INITRAMFS_TOOLS] : [])].map(
    (path) => filePlace(path),
  );
}

/** Whether a unit of an emergency ends in a shell that somebody can use. */
function givesShell(tree: FileTree, unit: string): boolean {
  if (!isStartable(tree, unit)) return false;
  if (isShell(tree, unit)) return true;
  const forced = unitValues(tree, unit, "Service.Environment").some((line) => /SYSTEMD_SULOGIN_FORCE=(1|y)/.test(line));
  const root = accountsOf(tree).find(({ name }) => name === "root");
  const asksRoot = unitCommands(tree, unit).some(({ program }) =>
    /^(systemd-sulogin-shell|sulogin)$/.test(baseName(program)),
  );
  return asksRoot && hasProgram(tree, "sulogin") && (forced || (root !== undefined && root.password !== "locked"));
}

function unitPlace({ name, link }: StartedUnit): Place {
  return filePlace(link, name);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
