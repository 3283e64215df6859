import {
  BiosParameterBlock,
  BOOT_SIGNATURE,
  BOOT_SIGNATURE_OFFSET_BYTES,
  EXTENDED_BOOT_SIGNATURE,
  EXTENSION_OFFSET_BYTES,
  Fat32Extension,
  FIRST_CLUSTER,
  FIXED_MEDIA,
  FS_INFO_SIGNATURES,
  FsInfo,
  SECTOR_BYTES,
  VARIANTS,
  VolumeIdentity,
} from "./format.ts";
import type { Geometry } from "./geometry.ts";

/** What names a volume. */
export interface VolumeName {
  label: string;
  serial: number;
}

const INFO_SECTOR = 1;
const BACKUP_SECTOR = 6;
/** What a volume without a label has in its boot sector. */
const NO_LABEL = "NO NAME";
/** A jump over the fields to code, of which there is none: firmware with a BIOS finds nothing to boot. */
const JUMP = { fat12: "eb3c90", fat16: "eb3c90", fat32: "eb5890" } as const;
/** @see Microsoft, FAT: General Overview of On-Disk Format 1.03, BS_OEMName: what most drivers are happy with */
const OEM_NAME = "MSWIN4.1";

/** The sectors in front of the first table. */
export function encodeReserved(geometry: Geometry, name: VolumeName & { usedClusters: number }): Buffer {
  const boot = encodeBootSector(geometry, name);
  if (geometry.variant !== "fat32") return boot;
  const free = geometry.clusters - name.usedClusters;
  const info = FsInfo.encode({
    ...FS_INFO_SIGNATURES,
    reserved1: Buffer.alloc(480),
    freeClusters: free,
    nextFree: free > 0 ? FIRST_CLUSTER + name.usedClusters : 0xffffffff,
    reserved2: Buffer.alloc(12),
  });
  const bytes = Buffer.alloc((BACKUP_SECTOR + 2) * SECTOR_BYTES);
  for (const sector of [0, BACKUP_SECTOR]) {
    boot.copy(bytes, sector * SECTOR_BYTES);
    info.copy(bytes, (sector + INFO_SECTOR) * SECTOR_BYTES);
  }
  return bytes;
}

function encodeBootSector(geometry: Geometry, { label, serial }: VolumeName): Buffer {
  const { variant, totalSectors, tableSectors } = geometry;
  const isFat32 = variant === "fat32";
  const hasShortTotal = !isFat32 && totalSectors <= 0xffff;
  const sector = Buffer.alloc(SECTOR_BYTES);
  BiosParameterBlock.encode({
    jump: Buffer.from(JUMP[variant], "hex"),
    oemName: OEM_NAME,
    sectorSizeBytes: SECTOR_BYTES,
    sectorsPerCluster: geometry.sectorsPerCluster,
    reservedSectors: geometry.reservedSectors,
    tables: geometry.tables,
    rootEntries: geometry.rootEntries,
    totalSectors16: hasShortTotal ? totalSectors : 0,
    media: FIXED_MEDIA,
    tableSectors16: isFat32 ? 0 : tableSectors,
    sectorsPerTrack: 63,
    heads: 255,
    hiddenSectors: 0,
    totalSectors32: hasShortTotal ? 0 : totalSectors,
  }).copy(sector);
  const identity = VolumeIdentity.encode({
    driveNumber: 0x80,
    reserved: 0,
    bootSignature: EXTENDED_BOOT_SIGNATURE,
    serial,
    label: Buffer.from((label || NO_LABEL).padEnd(11), "latin1"),
    typeText: VARIANTS[variant].typeText,
  });
  identity.copy(sector, EXTENSION_OFFSET_BYTES + (isFat32 ? Fat32Extension.sizeBytes : 0));
  if (isFat32) {
    Fat32Extension.encode({
      tableSectors32: tableSectors,
      flags: 0,
      version: 0,
      rootCluster: FIRST_CLUSTER,
      infoSector: INFO_SECTOR,
      backupBootSector: BACKUP_SECTOR,
      reserved: Buffer.alloc(12),
    }).copy(sector, EXTENSION_OFFSET_BYTES);
  }
  sector.writeUInt16LE(BOOT_SIGNATURE, BOOT_SIGNATURE_OFFSET_BYTES);
  return sector;
}
