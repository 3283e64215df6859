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

const SECTOR_SIZES = [512, 1024, 2048, 4096];
const MAX_TABLES = 4;
const MAX_SECTORS_PER_CLUSTER = 128;

/**
 * Reads the boot sector of a volume, and checks that all it speaks of is there. A volume with the fields of FAT32 is one
 * even if it has too few clusters, as mkfs.fat makes them when asked to: Linux reads it so.
 * @throws FormatError
 */
export function readBootSector(source: ByteSource): BootSector {
  const sector = source.read(0, Math.min(SECTOR_BYTES, source.sizeBytes));
  const bpb = BiosParameterBlock.decode(sector);
  if (bpb.jump[0] !== 0xeb && bpb.jump[0] !== 0xe9) throw fault("jump", "a jump", bpb.jump.toString("hex"));
  if (!SECTOR_SIZES.includes(bpb.sectorSizeBytes)) {
    throw fault("sectorSizeBytes", `one of ${SECTOR_SIZES.join(", ")}`, bpb.sectorSizeBytes);
  }
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
  const geometry = divide(bpb, extension?.tableSectors32);
  const sectorsThere = Math.floor(source.sizeBytes / geometry.sectorBytes);
  if (geometry.totalSectors > sectorsThere) {
    throw fault("totalSectors", `at most ${sectorsThere}`, geometry.totalSectors);
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

function divide(bpb: BiosParameterBlock, tableSectors32: number | undefined): Geometry {
  const { sectorsPerCluster, reservedSectors, tables, rootEntries, sectorSizeBytes: sectorBytes } = bpb;
  const tableSectors = tableSectors32 ?? bpb.tableSectors16;
  const totalSectors = bpb.totalSectors16 || bpb.totalSectors32;
  const rootSectors = Math.ceil((rootEntries * DirectoryEntry.sizeBytes) / sectorBytes);
  const dataSector = reservedSectors + tables * tableSectors + rootSectors;
  const clusters = Math.floor((totalSectors - dataSector) / sectorsPerCluster);
  if (clusters < 1) throw fault("totalSectors", `more than ${dataSector}`, totalSectors);
  const variant = tableSectors32 === undefined ? variantOf(clusters) : "fat32";
  if (tableSectors32 === undefined && variant === "fat32") {
    throw fault("tableSectors16", `what ${clusters} clusters make it`, tableSectors);
  }
  const needed = tableSectorsFor(clusters, { variant, sectorBytes });
  if (tableSectors < needed) throw fault("tableSectors", `at least ${needed}`, tableSectors);
  return {
    variant,
    sectorBytes,
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
