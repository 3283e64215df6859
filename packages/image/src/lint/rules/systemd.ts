import { bootPhases, diskPhases, mergesAnyExtension } from "@cvm-build/rootfs";
import type { FileTree } from "@cvm-build/fs-writer";
import type { Place } from "../finding.ts";
import { isSwitchedOff } from "../kernel-parameters.ts";
import { rule } from "../rule.ts";
import { commandLinesWhere, filePlace, type Known } from "../subject.ts";
import { hasProgram, hasSystemd, startedUnits } from "../units.ts";

const GENERATOR_FOLDERS = ["/etc", "/usr/local/lib", "/usr/lib"].map((folder) => `${folder}/systemd/system-generators`);
const GPT_AUTO = "systemd-gpt-auto-generator";

/** Generators that act on the command line, and what they do there. */
const COMMAND_LINE_GENERATORS: Readonly<Record<string, string>> = {
  "dracut-rootfs-generator": "root= chooses the root file system",
  "systemd-cryptsetup-generator": "luks.* opens disks",
  "systemd-debug-generator": "systemd.debug_shell opens a root shell; systemd.mask= and systemd.wants= choose units",
  "systemd-fstab-generator": "root=, mount.usr= and systemd.mount-extra= mount disks and shares",
  "systemd-hibernate-resume-generator": "resume= takes memory from a disk",
  "systemd-import-generator": "systemd.pull= downloads images and extensions",
  "systemd-integritysetup-generator": "opens what a table names",
  "systemd-run-generator": "systemd.run= runs a command as root",
  "systemd-veritysetup-generator": "roothash= and systemd.verity_* choose the root file system",
};

/** What systemd in an image takes from its host. */
export const SYSTEMD_RULES = [
  rule({
    id: "credentials",
    severity: "warning",
    host: "pass credentials (SMBIOS type 11, fw_cfg): files of tmpfiles.d, mounts, a root password, network settings, ssh keys; in a TEE that it recognises, newer systemd takes none",
    registers: "in none; those on the command line or beside the UKI are in PCR 12 (RTMR 2)",
    fix: "add systemd.import_credentials=no to KernelCommandLine=",
    needs: ["tree"],
    find: (subject) =>
      hasSystemd(subject.tree)
        ? commandLinesWhere(subject, (parameters) => !isSwitchedOff(parameters, "systemd.import_credentials"))
        : [],
  }),
  rule({
    id: "gpt-auto-root",
    severity: "warning",
    host: "attach a disk whose root partition is mounted and started, by its type alone",
    registers: "in none: PCR 5 is of the disk that firmware boots from alone",
    fix: "add systemd.gpt_auto=no to KernelCommandLine=, or remove systemd-gpt-auto-generator with RemoveFiles=",
    needs: ["tree"],
    find: (subject) => (isInitrd(subject.tree) ? gptAuto(subject) : []),
  }),
  rule({
    id: "gpt-auto",
    severity: "note",
    host: "attach a disk whose partitions are mounted, or used as swap, by their types alone, where the root file system is on such a disk",
    registers: "in none",
    fix: "add systemd.gpt_auto=no to KernelCommandLine=, or remove systemd-gpt-auto-generator with RemoveFiles=",
    needs: ["tree"],
    find: (subject) => (isInitrd(subject.tree) ? [] : gptAuto(subject)),
  }),
  rule({
    id: "generators",
    severity: "note",
    host: "make generators mount, run and open what it likes, if it can replace the command line",
    registers: "PCR 12 and 9 (RTMR 2), as any other command line",
    fix: "remove generators that the image does not need with RemoveFiles=, and have verifiers compare PCR 12 (RTMR 2)",
    needs: ["tree"],
    find: ({ tree }) =>
      Object.entries(COMMAND_LINE_GENERATORS).flatMap(([name, effect]) => {
        const path = generator(tree, name);
        return path === undefined ? [] : [filePlace(path, effect)];
      }),
  }),
  rule({
    id: "ssh-vsock",
    severity: "warning",
    host: "reach sshd over vsock, on a socket that a generator opens by itself in every virtual machine (systemd 256 and later)",
    registers: "in none; keys that come as credentials are in none either",
    fix: "remove systemd-ssh-generator with RemoveFiles=, or add systemd.ssh_auto=no to KernelCommandLine=",
    needs: ["tree"],
    find: (subject) => {
      const path = generator(subject.tree, "systemd-ssh-generator");
      const isOn = subject.commandLines.some((parameters) => !isSwitchedOff(parameters, "systemd.ssh_auto"));
      return path !== undefined && isOn && hasProgram(subject.tree, "sshd") ? [filePlace(path)] : [];
    },
  }),
  rule({
    id: "extensions",
    severity: "warning",
    host: "put programs over the image's own: system and configuration extensions that lie beside the UKI are merged into /usr and /etc",
    registers: "PCR 13 (sysext), PCR 12 (confext) alone",
    fix: "disable systemd-sysext.service and systemd-confext.service, set MergeExtensions=signed, or have verifiers compare PCR 12 and 13 (RTMR 2)",
    needs: ["tree"],
    // systemd by itself looks beside the UKI in initrds alone.
    find: ({ tree }) =>
      startedUnits(tree)
        .filter(({ name }) => /^systemd-(sysext|confext)(-initrd|-sysroot)?\.service$/.test(name))
        .filter(({ name }) => isInitrd(tree) || mergesAnyExtension(tree, name))
        .map(({ link }) => filePlace(link)),
  }),
  rule({
    id: "no-phases",
    severity: "note",
    host: "use what is sealed to PCR 11 at any time of the boot: its value is the same in the initrd and after",
    registers: "PCR 11 has one value only, without boot phases",
    fix: "add what systemd extends registers with: libtss2-esys, libtss2-mu, libtss2-rc and libtss2-tcti-device, and the modules tpm_crb, tpm_tis and efivarfs",
    needs: ["tree"],
    find: ({ tree, initrd, platforms = [] }) => {
      // The phases of both make one boot.
      if (tree === initrd) return [];
      const hasTpm = platforms.length === 0 || platforms.some(({ declaration }) => declaration.tpm !== false);
      const phases = initrd ? diskPhases(initrd, tree) : bootPhases(tree);
      return hasTpm && hasSystemd(tree) && phases.length === 0 ? [filePlace("/usr/lib/systemd/systemd")] : [];
    },
  }),
];

/** Whether systemd takes the image for an initrd, which another system follows. */
function isInitrd(tree: FileTree): boolean {
  return tree.follow("/etc/initrd-release") !== undefined;
}

function gptAuto(subject: Known<"tree">): Place[] {
  const path = generator(subject.tree, GPT_AUTO);
  const isOn = subject.commandLines.some((parameters) => !isSwitchedOff(parameters, "systemd.gpt_auto"));
  return path !== undefined && isOn ? [filePlace(path)] : [];
}

/** The file of a generator, or undefined where it is not there or masked. */
function generator(tree: FileTree, name: string): string | undefined {
  const path = GENERATOR_FOLDERS.map((folder) => `${folder}/${name}`).find((candidate) => tree.has(candidate));
  const node = path === undefined ? undefined : tree.follow(path);
  return node?.kind === "file" && node.content.sizeBytes > 0 ? path : undefined;
}
