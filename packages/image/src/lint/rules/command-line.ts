import { isSwitchedOff, isSwitchedOn, type KernelParameters, valueOf, wordsOf } from "../kernel-parameters.ts";
import { rule } from "../rule.ts";
import { commandLinesWhere, type Subject, wordsWhere } from "../subject.ts";
import type { Place } from "../finding.ts";

/** Parameters of which the mere presence gives somebody a shell or a debugger. */
const DOORS = ["rd.break", "kgdboc", "kgdbwait", "kgdbdbgp", "sysrq_always_enabled", "systemd.run"];
/** The same, where they are not set to no. */
const SWITCHED_DOORS = ["systemd.debug_shell", "rd.systemd.debug_shell", "rd.shell"];
/** Words by which init starts a shell in place of the system. @see systemd(1), "KERNEL COMMAND LINE" */
const RESCUE_WORDS = ["-b", "emergency", "rd.emergency", "rescue", "rd.rescue", "single", "s", "S", "1"];
const RESCUE_UNITS = /^(emergency|rescue|debug-shell)\./;
const SHELLS = /\/(sh|bash|dash|ash|busybox|zsh|ksh)$/;
/** What `root=` and `mount.usr=` may be without a disk of the host's deciding it. */
const OWN_ROOTS = /^(|tmpfs|none|ram0|\/dev\/ram\d*|\/dev\/mapper\/.*)$/;
/** What leaves it to systemd to find a partition, which it verifies where it is told a hash. @see systemd-gpt-auto-generator(8) */
const FOUND_ROOTS = /^(gpt-auto|\/dev\/gpt-auto-root|dissect)$/;
/** What decides each of the two file systems, and the hash of it. */
const MOUNTED = { root: "roothash", "mount.usr": "usrhash" } as const;
/** Options by which dm-verity lets blocks pass that are not what they were. @see veritytab(5) */
const WEAK_OPTIONS = ["ignore-corruption", "check-at-most-once"];
const VERITY_OPTIONS = ["systemd.verity_root_options", "systemd.verity_usr_options"];

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
    host: "choose the root file system, or /usr: it is on a disk of the host's, and is mounted without being compared with a hash",
    registers: "in none: what is on the disk is not measured",
    fix: "name /dev/mapper/root (/dev/mapper/usr) with roothash= (usrhash=) of a dm-verity disk, or have the system live in the initrd; where the root is an encrypted disk, name its /dev/mapper device",
    needs: [],
    find: (subject) => wordsWhere(subject, unverifiedRoot),
  }),
  rule({
    id: "verity-options",
    severity: "error",
    host: "change blocks of the root file system: the command line has dm-verity let them pass, all of them or all but the first time",
    registers: "in none: the command line is the one that PCR 9 and 11 (RTMR 2) are predicted for",
    fix: "take ignore-corruption and check-at-most-once out of systemd.verity_root_options= and systemd.verity_usr_options=",
    needs: [],
    find: (subject) => wordsWhere(subject, weakVerity),
  }),
  rule({
    id: "unreadable-blocks",
    severity: "note",
    host: "choose blocks of the root file system that cannot be read: dm-verity notices what was changed, and hands on errors of the disk, so programs that go on without a file do",
    registers: "in none: the disk is read after what is measured",
    fix: "have what must not be missing stop the machine when it fails; or keep the file system in memory: Format=uki, or Format=initoverlay with Carrier=initrd or LoadIntoRam=yes",
    needs: [],
    find: (subject) => [...wordsWhere(subject, verityRoot), ...carrierOnDisk(subject)],
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
  return Object.entries(MOUNTED).flatMap(([name, hash]) => {
    const device = valueOf(parameters, name) ?? "";
    // systemd mounts what it is told by name; a hash beside it opens a device that nobody uses.
    const isVerified = FOUND_ROOTS.test(device) && valueOf(parameters, hash) !== undefined && usesVerity(parameters);
    return OWN_ROOTS.test(device) || isVerified ? [] : wordsOf(parameters, name);
  });
}

function usesVerity(parameters: KernelParameters): boolean {
  return !["systemd.verity", "rd.systemd.verity"].some((name) => isSwitchedOff(parameters, name));
}

function weakVerity(parameters: KernelParameters): string[] {
  return VERITY_OPTIONS.filter((name) =>
    WEAK_OPTIONS.some((option) => (valueOf(parameters, name) ?? "").split(",").includes(option)),
  ).flatMap((name) => wordsOf(parameters, name));
}

function verityRoot(parameters: KernelParameters): string[] {
  return Object.values(MOUNTED).flatMap((hash) => wordsOf(parameters, hash));
}

/** An initrd that reads its image from a disk has no word of it on the command line. */
function carrierOnDisk({ profile }: Subject): Place[] {
  if (profile?.output.format !== "initoverlay") return [];
  const { carrier, loadIntoRam } = profile.initOverlay;
  if (carrier === "initrd" || loadIntoRam) return [];
  return [{ kind: "setting", name: "InitOverlay.Carrier", detail: carrier }];
}

function isLockedDown(parameters: KernelParameters): boolean {
  return ["integrity", "confidentiality"].includes(valueOf(parameters, "lockdown") ?? "");
}
