import { quoteText } from "../error.ts";
import type { DataDisk } from "../profile.ts";
import { DURATION, parseDuration } from "../quantity.ts";
import { filling, one } from "../setting.ts";
import { ValueFault } from "../value-fault.ts";
import { boolean, choice, type ItemKind, textItem } from "../value-kind.ts";

/**
 * What a disk may be known by. A LUKS label has 47 characters and an end; characters are those that need no quoting anywhere.
 * @see LUKS2 On-Disk Format Specification 1.1.4, section 2.1, "Binary Header"
 */
const DISK_NAMES = {
  serial: /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
  label: /^[A-Za-z0-9][A-Za-z0-9._-]{0,46}$/,
  lun: /^(0|[1-9][0-9]{0,4})$/,
  partlabel: /^[A-Za-z0-9][A-Za-z0-9._-]{0,35}$/,
  partuuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
} as const satisfies Record<DataDisk["by"], RegExp>;

const dataDisk: ItemKind<DataDisk> = {
  expected: "serial:NAME, label:NAME, lun:NUMBER, partlabel:NAME or partuuid:UUID",
  parse(text) {
    const [, by, name = ""] = /^(serial|label|lun|partlabel|partuuid):(.*)$/.exec(text) ?? [];
    if (by === undefined || !DISK_NAMES[by as DataDisk["by"]].test(name)) {
      throw new ValueFault(this.expected, quoteText(text), {
        hint: "a name is letters, digits and -._, 47 of them at most for a label, 64 for a serial number, 36 for a partition",
      });
    }
    return { by: by as DataDisk["by"], name };
  },
  format: ({ by, name }) => `${by}:${name}`,
};

/** Characters are those that stand for themselves in commands and units. */
const mountPoint = textItem("an absolute directory such as /var/lib/data", /^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9_.-]+)+$/);

const duration: ItemKind<number> = {
  expected: "a duration such as 5s or 2min",
  parse(text) {
    if (!DURATION.test(text)) throw new ValueFault(this.expected, quoteText(text));
    return parseDuration(text);
  },
  format: (seconds) => `${seconds}s`,
};

/** `[Storage]`: the encrypted disk for data. */
export const STORAGE_SETTINGS = [
  filling("storage.dataDisk", {
    section: "Storage",
    name: "DataDisk",
    kind: one(dataDisk),
    isOurs: true,
    summary: "The disk or partition that holds data, encrypted; there is none unless set.",
  }),
  filling("storage.mountPoint", {
    section: "Storage",
    name: "MountPoint",
    kind: one(mountPoint),
    default: () => "/var/lib/data",
    isOurs: true,
    summary: "Where its file system is mounted, without set-id, devices and execution.",
  }),
  filling("storage.key", {
    section: "Storage",
    name: "Key",
    kind: one(choice(["tpm2", "runtime"])),
    default: () => "tpm2",
    isOurs: true,
    summary: "Who keeps its key: the TPM, for images of the same signer, or a program that brings it at run time.",
  }),
  filling("storage.keyTimeoutSec", {
    section: "Storage",
    name: "KeyTimeout",
    kind: one(duration),
    default: () => 300,
    isOurs: true,
    summary: "How long to wait for a key that is brought at run time.",
  }),
  filling("storage.integrity", {
    section: "Storage",
    name: "Integrity",
    kind: one(boolean),
    default: () => false,
    isOurs: true,
    summary: "Whether every sector is authenticated (dm-integrity); a new disk is then written once from end to end.",
  }),
  filling("storage.missingDisk", {
    section: "Storage",
    name: "MissingDisk",
    kind: one(choice(["fail", "memory"])),
    default: () => "fail",
    isOurs: true,
    summary: "What happens where no such disk is attached: services that need it do not start, or data is in memory.",
  }),
  filling("storage.diskTimeoutSec", {
    section: "Storage",
    name: "DiskTimeout",
    kind: one(duration),
    default: () => 10,
    isOurs: true,
    summary: "How long to wait for the disk to be attached.",
  }),
] as const;
