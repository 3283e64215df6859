import { assert } from "@cvm-build/bytes";
import { profileError } from "./error.ts";
import { FORMAT_TRAITS, type OutputFormat } from "./output-format.ts";
import type { SourcePosition } from "./position.ts";
import type { DataDisk } from "./profile.ts";
import type { SettingStore } from "./setting-store.ts";
import { findSetting, SETTINGS } from "./setting-table.ts";
import type { UnsupportedSetting } from "./unsupported.ts";

/** What is wrong with an assigned setting beside others. */
interface Conflict {
  expected: string;
  got: string;
  hint?: string;
}

/** A value that depends on those of other settings: `Section.Name`, and what is wrong with it, if anything is. */
interface CrossCheck {
  setting: string;
  conflict(value: unknown, valueOf: ValueOf): Conflict | undefined;
}

/** Gives the value of another setting. */
type ValueOf = (setting: string) => unknown;

/** Highest level of each compressor of an erofs; none for those that have no levels. */
const EROFS_LEVELS: Readonly<Record<string, number>> = { lz4hc: 12, zstd: 22 };

/** Every check of one value against another, in the order of the reference. */
const CROSS_CHECKS: readonly CrossCheck[] = [
  {
    setting: "Output.CompressLevel",
    conflict(level, valueOf) {
      if (valueOf("Output.CompressOutput") !== "gzip" || Number(level) <= 9) return undefined;
      return { expected: "a whole number 0..9 for gzip", got: String(level) };
    },
  },
  {
    setting: "Disk.CompressionLevel",
    conflict(level, valueOf) {
      const compression = String(valueOf("Disk.Compression"));
      const most = EROFS_LEVELS[compression];
      if (most === undefined) return { expected: "Compression=lz4hc or zstd beside it", got: compression };
      return Number(level) <= most
        ? undefined
        : { expected: `a whole number 0..${most} for ${compression}`, got: String(level) };
    },
  },
  {
    setting: "Disk.ClusterSize",
    conflict: (_, valueOf) => {
      const isPlain = valueOf("Disk.Compression") === "none";
      return isPlain ? { expected: "Compression=lz4, lz4hc or zstd beside it", got: "none" } : undefined;
    },
  },
  {
    setting: "Disk.ChunkSize",
    conflict(_, valueOf) {
      const compression = String(valueOf("Disk.Compression"));
      return compression === "none" ? undefined : { expected: "Compression=none beside it", got: compression };
    },
  },
  ...["Output.DiskFormat", "Disk.EspSize", "Disk.DataPartition"].map((setting) => ({
    setting,
    conflict: (_: unknown, valueOf: ValueOf) => {
      const hasDisk = valueOf("Output.Format") !== "initoverlay" || valueOf("InitOverlay.Carrier") !== "initrd";
      return hasDisk ? undefined : { expected: "Carrier=esp or partition of [InitOverlay] beside it", got: "initrd" };
    },
  })),
  {
    setting: "Disk.DataPartition",
    conflict(_, valueOf) {
      const disk = valueOf("Storage.DataDisk") as DataDisk | undefined;
      if (disk?.by === "partlabel" || disk?.by === "partuuid") return undefined;
      return {
        expected: "DataDisk=partlabel:NAME or partuuid:UUID of [Storage] beside it",
        got: disk === undefined ? "none" : `${disk.by}:${disk.name}`,
        hint: "[Storage] says how the partition is called, where it is mounted and who keeps its key",
      };
    },
  },
  {
    setting: "Validation.Verity",
    conflict(verity, valueOf) {
      const lacks = ["VerityKey", "VerityCertificate"].find((name) => valueOf(`Validation.${name}`) === undefined);
      if (verity !== "signed" || lacks === undefined) return undefined;
      return { expected: `${lacks}= beside it`, got: "none", hint: "cvm-build keys makes a set of keys" };
    },
  },
  {
    setting: "Validation.VerityKey",
    conflict: (_, valueOf) =>
      valueOf("Validation.VerityCertificate") === undefined
        ? { expected: "VerityCertificate= beside it", got: "none" }
        : undefined,
  },
  ...["Extension.VersionId", "Extension.Level"].map((setting) => ({
    setting,
    conflict: (_: unknown, valueOf: ValueOf) => {
      const isForAll = valueOf("Extension.Id") === "_any";
      return isForAll ? { expected: "an Id= of one system beside it", got: "_any" } : undefined;
    },
  })),
];

/**
 * Holds the values of a whole profile against each other.
 * @returns settings of mkosi that the format has no use for
 * @throws CvmError `profile-bad-value` for any other conflict, at the place of the assignment
 */
export function checkAcross(store: SettingStore): UnsupportedSetting[] {
  const unsupported = [...checkFormats(store), ...checkBootable(store)];
  for (const { setting, conflict } of CROSS_CHECKS) {
    const position = assignedAt(store, setting);
    if (position === undefined) continue;
    const found = conflict(store.valueOf(setting), (name) => store.valueOf(name));
    if (found) throw badValue(setting, { ...found, at: position });
  }
  return unsupported;
}

/** What a format has no use for is refused, lest somebody think it had an effect. */
function checkFormats(store: SettingStore): UnsupportedSetting[] {
  const format = store.valueOf("Output.Format") as OutputFormat;
  const misplaced = SETTINGS.filter(({ formats }) => formats !== undefined && !formats.includes(format));
  return misplaced.flatMap((row) => {
    const setting = `${row.section}.${row.name}`;
    const position = assignedAt(store, setting);
    if (position === undefined) return [];
    const formats = row.formats!.join(", ");
    if (!row.isOurs) {
      return [{ position, name: setting, useInstead: `leave it out: it is for Format=${formats}, not ${format}` }];
    }
    throw badValue(setting, {
      at: position,
      expected: `it with Format=${formats} alone`,
      got: `Format=${format}`,
      hint: "leave it out, or put it into a file with a [Match] of Format=",
    });
  });
}

function checkBootable(store: SettingStore): UnsupportedSetting[] {
  const setting = "Content.Bootable";
  const position = assignedAt(store, setting);
  const format = store.valueOf("Output.Format") as OutputFormat;
  const written = store.valueOf(setting);
  if (position === undefined || written === "auto" || written === FORMAT_TRAITS[format].isBootable) return [];
  const state = FORMAT_TRAITS[format].isBootable ? "bootable" : "not bootable by itself";
  return [{ position, name: setting, useInstead: `leave it out: an image of Format=${format} is ${state}` }];
}

/** The place of the last assignment that counts; undefined where the value is the default. */
function assignedAt(store: SettingStore, setting: string): SourcePosition | undefined {
  const row = findSetting(setting);
  assert(row !== undefined, `no setting ${setting} in the table`);
  return store.effective(row).at(-1)?.position;
}

function badValue(setting: string, { at, expected, got, hint }: Conflict & { at: SourcePosition }): Error {
  return profileError("profile-bad-value", {
    cannot: `read setting "${setting}"`,
    ...{ at, expected, got, hint, setting },
  });
}
