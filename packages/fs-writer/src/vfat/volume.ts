import { type ByteSource, FormatError } from "@cvm-build/bytes";
import {
  BiosParameterBlock,
  DirectoryEntry,
  EXTENDED_BOOT_SIGNATURE,
  EXTENSION_OFFSET_BYTES,
  Fat32Extension,
  SECTOR_BYTES,
  variantOf,
  VolumeIdentity,
} from "./format.ts";
import { type Geometry, tableSectorsFor } from "./geometry.ts";

/** What a boot sector says of its volume. */
export interface BootSector {
  geometry: Geometry;
  /** Zero under FAT12 and FAT16. */
  rootCluster: number;
  oemName: string;
  /** Absent where the boot sector has neither. */
  identity: { serial: number; label: string } | undefined;
}

const MAX_TABLES = 4;
const MAX_SECTORS_PER_CLUSTER = 128;

/**
 * Reads the boot sector of a volume with sectors of 512 bytes, and checks that all it speaks of is there.
 * @throws FormatError
 */
export function readBootSector(source: ByteSource): BootSector {
  const sector = source.read(0, Math.min(SECTOR_BYTES, source.sizeBytes));
  const bpb = BiosParameterBlock.decode(sector);
  if (bpb.jump[0] !== 0xeb && bpb.jump[0] !== 0xe9) throw fault("jump", "a jump", bpb.jump.toString("hex"));
  if (bpb.sectorSizeBytes !== SECTOR_BYTES) throw fault("sectorSizeBytes", `${SECTOR_BYTES}`, bpb.sectorSizeBytes);
  const { sectorsPerCluster, tables, reservedSectors } = bpb;
  const isPower = sectorsPerCluster > 0 && (sectorsPerCluster & (sectorsPerCluster - 1)) === 0;
  if (!isPower || sectorsPerCluster > MAX_SECTORS_PER_CLUSTER) {
    throw fault("sectorsPerCluster", "a power of two up to 128", sectorsPerCluster);
  }
  if (tables < 1 || tables > MAX_TABLES) throw fault("tables", `1 to ${MAX_TABLES}`, tables);
  if (reservedSectors === 0) throw fault("reservedSectors", "at least 1", 0);
  if (bpb.media !== 0xf0 && bpb.media < 0xf8) throw fault("media", "0xf0 or from 0xf8 on", bpb.media);

  const isFat32 = bpb.tableSectors16 === 0;
  const extension = isFat32 ? Fat32Extension.decode(sector, EXTENSION_OFFSET_BYTES) : undefined;
  const geometry = divide(bpb, extension?.tableSectors32 ?? bpb.tableSectors16);
  if ((geometry.variant === "fat32") !== isFat32) {
    throw fault("tableSectors16", `what ${geometry.clusters} clusters make it`, bpb.tableSectors16);
  }
  if (geometry.totalSectors * SECTOR_BYTES > source.sizeBytes) {
    throw fault("totalSectors", `at most ${Math.floor(source.sizeBytes / SECTOR_BYTES)}`, geometry.totalSectors);
  }
  if (extension && extension.version !== 0) throw fault("version", "0", extension.version);
  const identityOffset = EXTENSION_OFFSET_BYTES + (isFat32 ? Fat32Extension.sizeBytes : 0);
  const identity = VolumeIdentity.decode(sector, identityOffset);
  const hasIdentity = identity.bootSignature === EXTENDED_BOOT_SIGNATURE;
  return {
    geometry,
    rootCluster: extension?.rootCluster ?? 0,
    oemName: bpb.oemName,
    identity: hasIdentity ? { serial: identity.serial, label: decodeLabel(identity.label) } : undefined,
  };
}

function divide(bpb: BiosParameterBlock, tableSectors: number): Geometry {
  const { sectorsPerCluster, reservedSectors, tables, rootEntries } = bpb;
  const totalSectors = bpb.totalSectors16 || bpb.totalSectors32;
  const rootSectors = Math.ceil((rootEntries * DirectoryEntry.sizeBytes) / SECTOR_BYTES);
  const dataSector = reservedSectors + tables * tableSectors + rootSectors;
  const clusters = Math.floor((totalSectors - dataSector) / sectorsPerCluster);
  if (clusters < 1) throw fault("totalSectors", `more than ${dataSector}`, totalSectors);
  const variant = variantOf(clusters);
  const needed = tableSectorsFor(clusters, variant);
  if (tableSectors < needed) throw fault("tableSectors", `at least ${needed}`, tableSectors);
  return {
    variant,
    totalSectors,
    sectorsPerCluster,
    reservedSectors,
    tables,
    tableSectors,
    rootEntries,
    dataSector,
    clusters,
  };
}

/** A label as it is shown: without the spaces at its end, and empty where it means that there is none. */
export function decodeLabel(bytes: Buffer): string {
  const label = bytes.toString("latin1").replace(/[ \0]+$/, "");
  return label === "NO NAME" ? "" : label;
}

function fault(field: string, expected: string, got: number | string): FormatError {
  return new FormatError({ record: "BiosParameterBlock", field }, `expected ${expected}, got ${got}`);
}
