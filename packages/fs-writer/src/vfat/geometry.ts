import { alignUp } from "@cvm-build/bytes";
import {
  DirectoryEntry,
  type FatVariant,
  FIRST_CLUSTER,
  MAX_DIRECTORY_ENTRIES,
  SECTOR_BYTES,
  VARIANTS,
} from "./format.ts";

/** Where the parts of a volume lie. */
export interface Geometry {
  variant: FatVariant;
  sectorBytes: number;
  totalSectors: number;
  sectorsPerCluster: number;
  reservedSectors: number;
  tables: number;
  tableSectors: number;
  /** Entries of the root directory; zero under FAT32. */
  rootEntries: number;
  /** The sector of the first cluster. */
  dataSector: number;
  clusters: number;
}

/** How far a new volume stays from the numbers of clusters that some drivers get wrong by a few. */
const MARGIN_CLUSTERS = 16;
const TABLES = 2;
const RESERVED_SECTORS_FAT32 = 32;
const MAX_SECTORS_PER_CLUSTER = 128;
const MIN_ROOT_ENTRIES = 512;
const MEBIBYTE = 1 << 20;
const GIBIBYTE = 1 << 30;

/** From this size on a volume is FAT32 unless told otherwise, as mkfs.fat decides. */
const FAT32_FROM_BYTES = 512 * MEBIBYTE;
const SMALL_VARIANT_SECTORS_PER_CLUSTER = 4;

/**
 * Sectors a cluster under FAT32, by the volume's size.
 * @see Microsoft, FAT: General Overview of On-Disk Format 1.03, "DskTableFAT32"
 */
const FAT32_SECTORS_PER_CLUSTER = [
  { upToBytes: 260 * MEBIBYTE, sectors: 1 },
  { upToBytes: 8 * GIBIBYTE, sectors: 8 },
  { upToBytes: 16 * GIBIBYTE, sectors: 16 },
  { upToBytes: 32 * GIBIBYTE, sectors: 32 },
  { upToBytes: Infinity, sectors: 64 },
] as const;

/**
 * Lays out a volume of `sizeBytes`, with structures aligned to clusters.
 * @param options.variant taken from the size unless given
 * @param options.rootDirectoryEntries how many entries the root directory will have
 * @returns undefined where that variant has no volume of that size
 */
export function layOutVolume(
  sizeBytes: number,
  options: { variant: FatVariant | undefined; rootDirectoryEntries: number },
): Geometry | undefined {
  const totalSectors = Math.floor(sizeBytes / SECTOR_BYTES);
  if (totalSectors > 0xffffffff) return undefined;
  const isLarge = options.variant === undefined ? sizeBytes >= FAT32_FROM_BYTES : options.variant === "fat32";
  if (isLarge) {
    const row = FAT32_SECTORS_PER_CLUSTER.find(({ upToBytes }) => sizeBytes <= upToBytes);
    const geometry = divide("fat32", { totalSectors, sectorsPerCluster: row?.sectors ?? 64, rootEntries: 0 });
    return isInside(geometry, VARIANTS.fat16.maxClusters) ? geometry : undefined;
  }
  const rootEntries = Math.max(MIN_ROOT_ENTRIES, alignUp(options.rootDirectoryEntries, 16));
  for (let sectors = SMALL_VARIANT_SECTORS_PER_CLUSTER; sectors <= MAX_SECTORS_PER_CLUSTER; sectors *= 2) {
    const fat12 = divide("fat12", { totalSectors, sectorsPerCluster: sectors, rootEntries });
    if (options.variant !== "fat16" && isInside(fat12, 0)) return fat12;
    const fat16 = divide("fat16", { totalSectors, sectorsPerCluster: sectors, rootEntries });
    if (options.variant !== "fat12" && isInside(fat16, VARIANTS.fat12.maxClusters)) return fat16;
  }
  return undefined;
}

/** Whether the number of clusters makes the variant what it is, with room to spare on both sides. */
function isInside({ variant, clusters, rootEntries }: Geometry, below: number): boolean {
  const atLeast = below === 0 ? 1 : below + 1 + MARGIN_CLUSTERS;
  return (
    rootEntries < MAX_DIRECTORY_ENTRIES &&
    clusters >= atLeast &&
    clusters <= VARIANTS[variant].maxClusters - MARGIN_CLUSTERS
  );
}

function divide(
  variant: FatVariant,
  given: { totalSectors: number; sectorsPerCluster: number; rootEntries: number },
): Geometry {
  const { totalSectors, sectorsPerCluster, rootEntries } = given;
  const reservedSectors = alignUp(variant === "fat32" ? RESERVED_SECTORS_FAT32 : 1, sectorsPerCluster);
  const rootSectors = alignUp((rootEntries * DirectoryEntry.sizeBytes) / SECTOR_BYTES, sectorsPerCluster);
  const left = totalSectors - reservedSectors - rootSectors;
  const mostClusters = Math.max(0, Math.floor(left / sectorsPerCluster));
  const tableSectors = alignUp(
    tableSectorsFor(mostClusters, { variant, sectorBytes: SECTOR_BYTES }),
    sectorsPerCluster,
  );
  return {
    variant,
    sectorBytes: SECTOR_BYTES,
    totalSectors,
    sectorsPerCluster,
    reservedSectors,
    tables: TABLES,
    tableSectors,
    rootEntries: (rootSectors * SECTOR_BYTES) / DirectoryEntry.sizeBytes,
    dataSector: reservedSectors + TABLES * tableSectors + rootSectors,
    clusters: Math.floor((left - TABLES * tableSectors) / sectorsPerCluster),
  };
}

/** How many sectors a table of that many clusters takes. */
export function tableSectorsFor(
  clusters: number,
  { variant, sectorBytes }: Pick<Geometry, "variant" | "sectorBytes">,
): number {
  return Math.ceil(((clusters + FIRST_CLUSTER) * VARIANTS[variant].bits) / 8 / sectorBytes);
}

/** The sector of the root directory under FAT12 and FAT16. */
export function rootSectorOf({ reservedSectors, tables, tableSectors }: Geometry): number {
  return reservedSectors + tables * tableSectors;
}

/** The size of a cluster. */
export function clusterBytesOf({ sectorsPerCluster, sectorBytes }: Geometry): number {
  return sectorsPerCluster * sectorBytes;
}

/** The offset of a cluster in the volume. */
export function clusterOffsetBytes(geometry: Geometry, cluster: number): number {
  return (geometry.dataSector + (cluster - FIRST_CLUSTER) * geometry.sectorsPerCluster) * geometry.sectorBytes;
}
