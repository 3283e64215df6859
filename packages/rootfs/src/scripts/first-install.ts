import type { ShellValue } from "./shell-state.ts";
import { type LiveCommand, walkShell } from "./shell-walk.ts";

/** The maintainer scripts that dpkg runs when a package is installed for the first time, and the arguments it gives. */
const INSTALL_ARGUMENTS = {
  preinst: ["install"],
  postinst: ["configure", ""],
} as const;

/** What those scripts may ask about a system where nothing was installed before and nothing runs. */
const KNOWN_STATUS: { command: string; status: (operands: ShellValue[]) => boolean | undefined }[] = [
  { command: "true", status: () => true },
  { command: ":", status: () => true },
  { command: "false", status: () => false },
  { command: "dpkg-statoverride", status: (operands) => (operands.includes("--list") ? false : undefined) },
  { command: "ischroot", status: () => true },
  { command: "pidof", status: () => false },
  { command: "invoke-rc.d", status: () => undefined },
  {
    // An empty version is earlier than any other for lt, le, gt and ge, and later for the -nl forms (dpkg(1)).
    command: "dpkg",
    status: ([option, first, relation]) => {
      if (option !== "--compare-versions" || first !== "" || relation === undefined) return undefined;
      if (relation === "lt" || relation === "le" || relation === "gt-nl" || relation === "ge-nl") return true;
      return ["gt", "ge", "eq", "lt-nl", "le-nl"].includes(relation) ? false : undefined;
    },
  },
  {
    command: "deb-systemd-helper",
    status: (operands) => {
      if (operands.includes("debian-installed")) return false;
      return operands.includes("was-enabled") ? true : undefined;
    },
  },
];

/**
 * The commands that a maintainer script reaches on a first installation into an empty root.
 * @throws FormatError where it cannot be parsed as a shell script
 */
export function firstInstallCommands(
  script: string,
  { kind, packageName }: { kind: keyof typeof INSTALL_ARGUMENTS; packageName: string },
): LiveCommand[] {
  return walkShell(script, {
    arguments: [...INSTALL_ARGUMENTS[kind]],
    variables: {
      DPKG_ROOT: "",
      DPKG_MAINTSCRIPT_PACKAGE: packageName,
      DPKG_MAINTSCRIPT_NAME: kind,
      DEBIAN_FRONTEND: "noninteractive",
      DEBCONF_RECONFIGURE: "",
    },
    knownStatus: ([command, ...operands]) => KNOWN_STATUS.find((known) => known.command === command)?.status(operands),
  });
}
