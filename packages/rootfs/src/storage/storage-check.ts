import { CvmError } from "@cvm-build/bytes";
import type { FileTree } from "@cvm-build/fs-writer";
import type { StorageSettings } from "@cvm-build/profile";
import { missingTpmLibrary } from "../boot-phases.ts";
import type { Finisher } from "../finisher.ts";
import { finisherEditor } from "../finishers/editor.ts";
import { knownModuleNames, listKernelReleases } from "../kernel/module-files.ts";
import { BUSYBOX_PATH } from "../services/probe-script.ts";
import { STORAGE_PROGRAMS } from "./storage-script.ts";

/** Drivers of disks that a machine may attach. SCSI has one for the bus and one for disks. */
const DISK_DRIVERS = [["virtio_blk"], ["nvme"], ["virtio_scsi", "sd_mod"], ["hv_storvsc", "sd_mod"]];

/** Holds the finished tree against what the disk for data needs: at boot it would be too late to say so. Changes nothing. */
export const storageCheckFinisher: Finisher = {
  name: "storage-check",
  replaces: [],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const { storage } = context.profile;
    if (!storage.dataDisk) return editor.effect("no disk for data");
    checkPrograms(tree, storage);
    for (const release of listKernelReleases(tree)) checkModules(tree, release, storage);
    return editor.effect("what the disk for data needs is there");
  },
};

function checkPrograms(tree: FileTree, { key }: StorageSettings): void {
  const { systemdCryptenroll, systemdCryptsetup, systemdPcrextend, ...always } = STORAGE_PROGRAMS;
  const forTpm = key === "tpm2" ? [systemdCryptenroll, systemdCryptsetup, systemdPcrextend] : [];
  const busybox = { path: BUSYBOX_PATH, package: "busybox" };
  for (const program of [busybox, ...Object.values(always), ...forTpm]) {
    if (tree.follow(program.path)?.kind === "file") continue;
    throw missing(`"${program.path}" in the image`, {
      hint: `add \`${program.package}\` to Packages=, and see that neither RemovePackages= nor RemoveFiles= takes it away`,
    });
  }
  const library = key === "tpm2" ? missingTpmLibrary(tree) : undefined;
  if (library === undefined) return;
  throw missing(`"${library}" in the image`, {
    hint: "add libtss2-esys-3.0.2-0t64, libtss2-mu-4.0.1-0t64, libtss2-rc0t64 and libtss2-tcti-device0t64 to Packages=",
  });
}

function checkModules(tree: FileTree, release: string, { integrity, dataDisk }: StorageSettings): void {
  const names = knownModuleNames(tree, release);
  const needed = ["dm_crypt", "xts", "ext4", ...(integrity ? ["dm_integrity", "authenc"] : [])];
  const lacks = needed.find((name) => !names.has(name));
  if (lacks !== undefined) {
    throw missing(`kernel module "${lacks}" in the image`, { hint: `add ${lacks} to KernelModules=` });
  }
  // virtio-blk has no logical unit numbers.
  const drivers = DISK_DRIVERS.filter(([driver]) => dataDisk?.by !== "lun" || driver !== "virtio_blk");
  if (drivers.some((modules) => modules.every((name) => names.has(name)))) return;
  const list = drivers.map((modules) => modules.join(" with ")).join(", ");
  throw missing(`a driver of disks in the image (${list})`, { hint: "add the machine's to KernelModules=" });
}

function missing(expected: string, { hint }: { hint: string }): CvmError<"setting"> {
  return new CvmError("setting", `cannot have a disk for data (DataDisk=): expected ${expected}, got none`, {
    hint,
    details: { setting: "DataDisk" },
  });
}
