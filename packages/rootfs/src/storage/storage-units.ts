import type { OutputFormat, Profile, StorageSettings } from "@cvm-build/profile";
import { formatUnit, type UnitSetting } from "../services/unit-syntax.ts";
import { BUSYBOX_PATH } from "../services/probe-script.ts";
import { POLICY_DIRECTORIES, STORAGE_MOUNT, STORAGE_PATH } from "./storage-script.ts";

/** The unit that makes and opens the disk. */
export const STORAGE_UNIT = "cvm-storage.service";

/** Whether the system of a format runs once its initrd is gone. */
const LEAVES_INITRD = {
  uki: false,
  addon: false,
  cpio: false,
  directory: false,
  tar: false,
  direct: false,
  disk: true,
  initoverlay: true,
  pmem: true,
  sysext: false,
  confext: false,
  portable: false,
} as const satisfies Record<OutputFormat, boolean>;

/**
 * The unit that makes and opens the disk, after `sysinit` is in PCR 11 and, where the TPM keeps the key, before `ready`: the
 * register must not change while the TPM looks at it.
 */
export function formatStorageUnit(
  { storage, output }: Pick<Profile, "storage" | "output">,
  disk: NonNullable<StorageSettings["dataDisk"]>,
): string {
  const settings = {
    DISK_BY: disk.by,
    DISK_NAME: disk.name,
    KEY: storage.key,
    INTEGRITY: storage.integrity ? "yes" : "no",
    MISSING: storage.missingDisk,
    DISK_TIMEOUT: String(Math.ceil(storage.diskTimeoutSec)),
    KEY_TIMEOUT: String(Math.ceil(storage.keyTimeoutSec)),
    POLICIES: POLICY_DIRECTORIES[LEAVES_INITRD[output.format] ? "copied" : "initrd"],
  };
  const order: UnitSetting[] = storage.key === "tpm2" ? [["Before", "systemd-pcrphase.service"]] : [];
  return formatUnit("Written by cvm-build from [Storage].", [
    { name: "Unit", settings: [["Description", "Encrypted disk for data"], ...order] },
    {
      name: "Service",
      settings: [
        ["Type", "oneshot"],
        ["RemainAfterExit", "yes"],
        ...Object.entries(settings).map(([name, value]): UnitSetting => ["Environment", `${name}=${value}`]),
        ["ExecStart", `${BUSYBOX_PATH} sh ${STORAGE_PATH} open`],
        ["ExecStop", `${BUSYBOX_PATH} sh ${STORAGE_PATH} close`],
        // A new disk with integrity is written from end to end.
        ["TimeoutStartSec", "infinity"],
        ["StandardOutput", "journal+console"],
        ["StandardError", "journal+console"],
      ],
    },
  ]);
}

/**
 * The unit of the mount point: systemd makes every unit with a directory below it wait for this one, and fail with it. It
 * shows what is mounted already, be it the disk or memory.
 */
export function formatMountUnit({ mountPoint }: StorageSettings): string {
  return formatUnit("Written by cvm-build from [Storage].", [
    {
      name: "Unit",
      settings: [
        ["Description", "Data"],
        // The default would have it before local-fs.target, and the disk is opened later.
        ["DefaultDependencies", "no"],
        ["Requires", STORAGE_UNIT],
        ["After", STORAGE_UNIT],
        ["Conflicts", "umount.target"],
        ["Before", "umount.target"],
      ],
    },
    {
      name: "Mount",
      settings: [
        ["What", STORAGE_MOUNT],
        ["Where", mountPoint],
        ["Options", "bind,nosuid,nodev,noexec"],
      ],
    },
  ]);
}

/**
 * The name that systemd demands of a mount unit. Paths hold no characters but `A-Za-z0-9_.-`.
 * @see systemd.unit(5), "STRING ESCAPING FOR INCLUSION IN UNIT NAMES"
 */
export function mountUnitName(path: string): string {
  const escaped = path.slice(1).replaceAll("-", "\\x2d").replaceAll("/", "-");
  return `${escaped.replace(/^\./, "\\x2e")}.mount`;
}
