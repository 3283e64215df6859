import { compareCodeUnits } from "@cvm-build/bytes";
import type { FileTree } from "@cvm-build/fs-writer";
import { findUnit, unitDirectories } from "@cvm-build/rootfs";
import type { Place } from "../finding.ts";
import { rule } from "../rule.ts";
import { filePlace, type LintProfile, platformPlace, wordsWhere } from "../subject.ts";
import { wordsOf } from "../kernel-parameters.ts";
import { hasFile, readText, startedUnits, unitValues } from "../units.ts";

const SHARE_TYPES = /^(9p|virtiofs)$/;
const SHARE_MODULES = /\/(9p|9pnet_virtio|virtiofs)\.ko(\.(xz|zst|gz))?$/;
const TIME_UNITS = /^(systemd-timesyncd|chrony|chronyd|ntp|ntpd|ntpsec|openntpd)\.service$/;
/** Programs through which whoever runs a machine changes what is in it. */
const AGENTS = [
  "/usr/sbin/qemu-ga",
  "/usr/bin/qemu-ga",
  "/usr/bin/vmtoolsd",
  "/usr/bin/cloud-init",
  "/usr/sbin/waagent",
  "/usr/bin/google_guest_agent",
  "/usr/bin/amazon-ssm-agent",
  "/usr/bin/ignition",
  "/usr/lib/dracut/modules.d/30ignition/ignition",
  "/usr/sbin/hv_kvp_daemon",
];

/** What an image takes from devices that the host keeps. */
export const DEVICE_RULES = [
  rule({
    id: "guest-agent",
    severity: "error",
    host: "run commands and write files: an agent in the image does what whoever runs the machine says",
    registers: "in none",
    fix: "remove the package",
    needs: ["tree"],
    find: ({ tree }) => AGENTS.filter((path) => hasFile(tree, path)).map((path) => filePlace(path)),
  }),
  rule({
    id: "share-mounts",
    severity: "warning",
    host: "change files under the image's hands: a folder of the host's (9p, virtiofs) is mounted",
    registers: "in none",
    fix: "remove the mount, or let nothing run from it and nothing trust it",
    needs: ["tree"],
    find: (subject) => [
      ...shareMounts(subject.tree),
      ...wordsWhere(subject, (parameters) =>
        wordsOf(parameters, "rootfstype").filter((word) => SHARE_TYPES.test(word.split("=")[1] ?? "")),
      ),
    ],
  }),
  rule({
    id: "share-modules",
    severity: "note",
    host: "offer folders by 9p or virtiofs, for which the image has modules; nothing mounts one by itself",
    registers: "in none",
    fix: "leave the modules out: KernelModules=-9p -9pnet_virtio -virtiofs",
    needs: ["tree"],
    find: ({ tree }) => shareModules(tree),
  }),
  rule({
    id: "network-time",
    severity: "note",
    host: "set the clock: it answers, drops or forges what time servers say, and decides the clock at power-on",
    registers: "in none",
    fix: "take time from sources that sign it (NTS), or let nothing that matters, such as a certificate's end, rest on the clock",
    needs: ["tree"],
    find: ({ tree }) =>
      startedUnits(tree)
        .filter(({ name }) => TIME_UNITS.test(name))
        .map(({ link }) => filePlace(link)),
  }),
  rule({
    id: "disk-header",
    severity: "warning",
    host: "exchange the header of an encrypted disk for one of its own, with a key that it knows: whatever header is there is used",
    registers: "PCR 15, where systemd measures the disk's key; else in none",
    fix: "use [Storage], which checks headers, or have a verifier compare PCR 15",
    needs: ["tree"],
    find: ({ tree }) =>
      crypttabLines(tree).map((line) => filePlace("/etc/crypttab", line.split(/\s+/).slice(0, 2).join(" "))),
  }),
  rule({
    id: "disk-key-without-secure-boot",
    severity: "warning",
    host: "have the key of the data disk: with Secure Boot off it starts another system, extends PCR 11 as this image would, and asks the TPM",
    registers: "in none: the other system's registers are this image's",
    fix: "enable Secure Boot with keys of your own (SecureBootVariables=), or set Key=runtime and release the key after attestation",
    needs: ["profile", "platforms"],
    find: ({ profile, platforms }) =>
      isSealed(profile) && profile.validation.signExpectedPcr
        ? platforms
            .filter(({ isSecureBootOn, declaration }) => !isSecureBootOn && declaration.tpm !== false)
            .map((platform) => platformPlace(platform))
        : [],
  }),
  rule({
    id: "disk-without-policy",
    severity: "note",
    host: "count on the data disk staying closed: its key is kept for signed policies of PCR 11, and the image carries none",
    registers: "in none",
    fix: "set SignExpectedPcr=yes and SignExpectedPcrKey= in [Validation], or Key=runtime in [Storage]",
    needs: ["profile"],
    find: ({ profile }) => (isSealed(profile) && !profile.validation.signExpectedPcr ? [diskPlace(profile)] : []),
  }),
  rule({
    id: "disk-integrity",
    severity: "note",
    host: "put back older sectors of the data disk, or damage them: they are encrypted and not authenticated",
    registers: "in none",
    fix: "set Integrity=yes in [Storage], and have what is on the disk notice when all of it is old",
    needs: ["profile"],
    find: ({ profile }) => (profile.storage.dataDisk && !profile.storage.integrity ? [diskPlace(profile)] : []),
  }),
];

function isSealed({ storage }: LintProfile): boolean {
  return storage.dataDisk !== undefined && storage.key === "tpm2";
}

function diskPlace({ storage: { dataDisk } }: LintProfile): Place {
  return { kind: "setting", name: "Storage.DataDisk", ...(dataDisk && { detail: `${dataDisk.by}:${dataDisk.name}` }) };
}

function shareMounts(tree: FileTree): Place[] {
  const listed = tableLines(tree, "/etc/fstab").filter((line) => SHARE_TYPES.test(line.split(/\s+/)[2] ?? ""));
  const names = unitDirectories("system").flatMap((directory) =>
    tree.list(directory).filter((name) => name.endsWith(".mount")),
  );
  const units = [...new Set(names)].sort(compareCodeUnits).flatMap((name) => {
    const type = unitValues(tree, name, "Mount.Type").at(-1) ?? "";
    const path = findUnit(tree, name);
    return SHARE_TYPES.test(type) && path !== undefined ? [filePlace(path)] : [];
  });
  return [...listed.map((line) => filePlace("/etc/fstab", line)), ...units];
}

/** Of what is built in nothing is said: virtiofs is in most kernels, and does nothing unless it is mounted. */
function shareModules(tree: FileTree): Place[] {
  return tree.list("/usr/lib/modules").flatMap((release) => {
    const paths = [...tree.entries(`/usr/lib/modules/${release}/kernel`)].map(([path]) => path);
    return paths.filter((path) => SHARE_MODULES.test(path)).map((path) => filePlace(path));
  });
}

function crypttabLines(tree: FileTree): string[] {
  // A detached header is a file of the image, and measured with it.
  return tableLines(tree, "/etc/crypttab").filter((line) => !/(^|[\s,])(header=|plain(,|$))/.test(line));
}

function tableLines(tree: FileTree, path: string): string[] {
  return (readText(tree, path) ?? "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}
