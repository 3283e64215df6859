import { isSwitchedOff, isSwitchedOn, type KernelParameters, valueOf, wordsOf } from "../kernel-parameters.ts";
import { rule } from "../rule.ts";
import { commandLinesWhere, wordsWhere } from "../subject.ts";

/** Parameters of which the mere presence gives somebody a shell or a debugger. */
const DOORS = ["rd.break", "kgdboc", "kgdbwait", "kgdbdbgp", "sysrq_always_enabled", "systemd.run"];
/** The same, where they are not set to no. */
const SWITCHED_DOORS = ["systemd.debug_shell", "rd.systemd.debug_shell", "rd.shell"];
/** Words by which init starts a shell in place of the system. @see systemd(1), "KERNEL COMMAND LINE" */
const RESCUE_WORDS = ["-b", "emergency", "rd.emergency", "rescue", "rd.rescue", "single", "s", "S", "1"];
const RESCUE_UNITS = /^(emergency|rescue|debug-shell)\./;
const SHELLS = /\/(sh|bash|dash|ash|busybox|zsh|ksh)$/;
/** What `root=` may be without a disk of the host's deciding it. */
const OWN_ROOTS = /^(|tmpfs|none|ram0|\/dev\/ram\d*|\/dev\/mapper\/.*)$/;
const VERITY = ["roothash", "usrhash", "mount.usrhash", "systemd.verity_root_hash", "rd.systemd.verity"];

/** What the command line of an image says, or leaves unsaid. */
export const COMMAND_LINE_RULES = [
  rule({
    id: "debug-parameters",
    severity: "error",
    host: "get a root shell or a debugger on a console that belongs to it, because the image's own command line asks for one",
    registers: "in none: the command line is the one that PCR 9 and 11 (RTMR 2) are predicted for",
    fix: "take the parameter out of KernelCommandLine=",
    needs: [],
    find: (subject) => wordsWhere(subject, debugWords),
  }),
  rule({
    id: "root-filesystem",
    severity: "warning",
    host: "choose the root file system: it is on a disk of the host's, and the command line names no hash of it",
    registers: "in none: what is on the disk is not measured",
    fix: "add roothash= of a dm-verity disk, or have the system live in the initrd; where the root is an encrypted disk, name its /dev/mapper device",
    needs: [],
    find: (subject) => wordsWhere(subject, unverifiedRoot),
  }),
  rule({
    id: "kernel-lockdown",
    severity: "note",
    host: "wait for root in the guest to load a kernel module nobody signed, or to write to kernel memory: the kernel forbids neither",
    registers: "in none: what is loaded later is not measured",
    fix: "add lockdown=integrity or lockdown=confidentiality to KernelCommandLine=, and module.sig_enforce=1",
    needs: [],
    find: (subject) => commandLinesWhere(subject, (parameters) => !isLockedDown(parameters)),
  }),
  rule({
    id: "uki-profiles",
    severity: "note",
    host: "choose which of the image's profiles boots, with @N in front of what it passes",
    registers: "PCR 11 and, but for the first profile, PCR 12 (RTMR 2): each profile has its own values",
    fix: "have verifiers accept only the profiles that may run in production, or build the others as images of their own",
    needs: [],
    find: ({ commandLines }) =>
      commandLines.length > 1
        ? [{ kind: "section", name: ".profile", detail: `${commandLines.length} ways to boot` }]
        : [],
  }),
];

function debugWords(parameters: KernelParameters): string[] {
  return [
    ...DOORS.flatMap((name) => wordsOf(parameters, name)),
    ...SWITCHED_DOORS.flatMap((name) => (isSwitchedOn(parameters, name) ? wordsOf(parameters, name) : [])),
    ...["init", "rdinit", "rd.init"].flatMap((name) =>
      wordsOf(parameters, name).filter((word) => SHELLS.test(word.split("=")[1] ?? "")),
    ),
    ...["systemd.unit", "rd.systemd.unit"].flatMap((name) =>
      RESCUE_UNITS.test(valueOf(parameters, name) ?? "") ? wordsOf(parameters, name) : [],
    ),
    ...parameters.filter((word) => RESCUE_WORDS.includes(word)),
    ...parameters.filter((word) => /^(rd\.)?systemd\.setenv=SYSTEMD_SULOGIN_FORCE=(?!0|no)/.test(word)),
  ];
}

function unverifiedRoot(parameters: KernelParameters): string[] {
  const root = valueOf(parameters, "root");
  const isVerified = VERITY.some((name) => valueOf(parameters, name) !== undefined && !isSwitchedOff(parameters, name));
  return root === undefined || OWN_ROOTS.test(root) || isVerified ? [] : wordsOf(parameters, "root");
}

function isLockedDown(parameters: KernelParameters): boolean {
  return ["integrity", "confidentiality"].includes(valueOf(parameters, "lockdown") ?? "");
}
