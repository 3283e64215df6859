import type { FileTree } from "@cvm-build/fs-writer";
import { readContent } from "@cvm-build/fs-writer";
import { findUnit, isMasked, unitDirectories } from "./units/unit-files.ts";

/** The units that extend PCR 11 with a word, in the order of a boot, and which kind of image they run in. */
const PHASE_UNITS = [
  { unit: "systemd-pcrphase-initrd.service", wantedBy: "initrd.target", word: "enter-initrd", inInitrd: true },
  { unit: "systemd-pcrphase-sysinit.service", wantedBy: "sysinit.target", word: "sysinit", inInitrd: false },
  { unit: "systemd-pcrphase.service", wantedBy: "sysinit.target", word: "ready", inInitrd: false },
] as const;

/** What systemd loads with dlopen before it can talk to a TPM; without any of them systemd-pcrextend does nothing. */
const TPM_LIBRARIES = ["libtss2-esys.so.0", "libtss2-mu.so.0", "libtss2-rc.so.0", "libtss2-tcti-device.so.0"];
const EXTEND_PROGRAM = "/usr/lib/systemd/systemd-pcrextend";
/** Where systemd before 255 had it. */
const OLD_EXTEND_PROGRAM = "/usr/lib/systemd/systemd-pcrphase";

/** Definitions of registers in the TPM's memory, and what makes them. */
const NVPCR_DIRECTORY = "/usr/lib/nvpcr";
const SETUP_PROGRAM = "/usr/lib/systemd/systemd-tpm2-setup";

/** Kernel modules that are needed, any name of a row, and where they are in the kernel's tree. */
const DRIVERS = [
  { directory: "drivers/char/tpm", file: /\/tpm_(crb|tis)\.ko/ },
  { directory: "fs/efivarfs", file: /\/efivarfs\.ko/ },
] as const;

/**
 * The words with which this tree's systemd will extend PCR 11 at boot, in order.
 *
 * The rule, from the units of systemd 252 to 257: `systemd-pcrphase-initrd.service` extends `enter-initrd` where
 * /etc/initrd-release exists (ConditionPathExists=), and without that file `systemd-pcrphase-sysinit.service` extends
 * `sysinit` and `systemd-pcrphase.service` extends `ready`. Each does so if
 * - it is there, wanted by `initrd.target` or `sysinit.target` (every ordinary boot reaches the latter), and not masked;
 * - /usr/lib/systemd/systemd-pcrextend is there (`systemd-pcrphase` before 255);
 * - libtss2-esys, -mu, -rc and the device TCTI are in the tree: with `--graceful` the program succeeds without them;
 * - the kernel can have a TPM: tpm_crb or tpm_tis is built in or its module is in the tree;
 * - the stub measured the image (ConditionSecurity=measured-uki), which is what a prediction for PCR 11 supposes, and
 *   systemd can learn of it from EFI variables: efivarfs is built in or its module is in the tree.
 *
 * `leave-initrd`, `shutdown` and `final` belong to what follows the initrd or ends the boot: an image that lives in its
 * initrd never reaches them while it runs.
 */
export function bootPhases(tree: FileTree): string[] {
  if (!canExtend(tree)) return [];
  const inInitrd = isInitrd(tree);
  return PHASE_UNITS.filter((phase) => phase.inInitrd === inInitrd)
    .filter((unit) => isStarted(tree, unit))
    .map(({ word }) => word);
}

/**
 * As `bootPhases`, of an initrd that leads to a root file system: on its way there systemd extends `leave-initrd` where it
 * has extended `enter-initrd`.
 * @see systemd-pcrphase.service(8)
 */
export function diskPhases(initrd: FileTree, root: FileTree): string[] {
  const early = bootPhases(initrd);
  return [...early, ...(early.includes("enter-initrd") ? ["leave-initrd"] : []), ...bootPhases(root)];
}

/** What this tree's systemd extends beside PCR 11. */
export interface RegisterUse {
  /** Whether it draws a line in most registers: systemd-pcrosseparator.service, in initrds, of 261 and later. */
  hasOsSeparator: boolean;
  /** Whether it makes registers in the TPM's memory and measures them into PCR 9: systemd-tpm2-setup-early.service. */
  hasNvPcrs: boolean;
}

/**
 * Says what this tree's systemd will extend beside the words of `bootPhases`, and on the same conditions.
 * @see systemd-pcrosseparator.service(8), systemd-tpm2-setup.service(8)
 */
export function registerUse(tree: FileTree): RegisterUse {
  if (!canExtend(tree)) return { hasOsSeparator: false, hasNvPcrs: false };
  const isStartedEarly = (unit: string) => isStarted(tree, { unit, wantedBy: "sysinit.target" });
  const definitions = tree.list(NVPCR_DIRECTORY).some((name) => name.endsWith(".nvpcr"));
  const makes = tree.follow(SETUP_PROGRAM)?.kind === "file" && isStartedEarly("systemd-tpm2-setup-early.service");
  return {
    hasOsSeparator: isInitrd(tree) && isStartedEarly("systemd-pcrosseparator.service"),
    hasNvPcrs: (definitions && makes) || (isInitrd(tree) && isStartedEarly("systemd-pcrnvdone.service")),
  };
}

/** Whether systemd in this tree can extend registers. */
function canExtend(tree: FileTree): boolean {
  const hasProgram = [EXTEND_PROGRAM, OLD_EXTEND_PROGRAM].some((path) => tree.follow(path)?.kind === "file");
  return hasProgram && missingTpmLibrary(tree) === undefined && hasDrivers(tree);
}

function isInitrd(tree: FileTree): boolean {
  return tree.follow("/etc/initrd-release") !== undefined;
}

function isStarted(tree: FileTree, { unit, wantedBy }: { unit: string; wantedBy: string }): boolean {
  return findUnit(tree, unit) !== undefined && !isMasked(tree, unit) && isWanted(tree, { unit, wantedBy });
}

function isWanted(tree: FileTree, { unit, wantedBy }: { unit: string; wantedBy: string }): boolean {
  return unitDirectories("system").some((directory) =>
    ["wants", "requires"].some((kind) => {
      const node = tree.get(`${directory}/${wantedBy}.${kind}/${unit}`);
      return node !== undefined && !(node.kind === "symlink" && node.target === "/dev/null");
    }),
  );
}

/** The first library that systemd would need to talk to a TPM and the tree does not hold. */
export function missingTpmLibrary(tree: FileTree): string | undefined {
  const libraries = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];
  const directories = libraries.flatMap((path) => [path, ...tree.list(path).map((name) => `${path}/${name}`)]);
  return TPM_LIBRARIES.find((name) => !directories.some((path) => tree.follow(`${path}/${name}`)?.kind === "file"));
}

/** Without any kernel modules in the tree nothing can be said, and the kernel is taken to have all it needs built in. */
function hasDrivers(tree: FileTree): boolean {
  const releases = tree.list("/usr/lib/modules").map((release) => `/usr/lib/modules/${release}`);
  return (
    releases.length === 0 || releases.some((directory) => DRIVERS.every((driver) => hasDriver(tree, directory, driver)))
  );
}

function hasDriver(tree: FileTree, release: string, { directory, file }: (typeof DRIVERS)[number]): boolean {
  const builtin = tree.follow(`${release}/modules.builtin`);
  if (builtin?.kind !== "file") return true;
  if (file.test(readContent(builtin.content).toString("utf8"))) return true;
  return [...tree.entries(`${release}/kernel/${directory}`)].some(([path]) => file.test(path));
}
