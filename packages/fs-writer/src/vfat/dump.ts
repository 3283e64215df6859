import { type ByteSource, sourceSha256 } from "@cvm-build/bytes";
import { openVfat } from "./reader.ts";

/**
 * A volume as text: what its boot sector makes of it, then one line an entry: kind, mode, time, size and start of the
 * SHA-256, path.
 * @throws FormatError as `openVfat` does
 */
export function dumpVfat(source: ByteSource): string {
  const volume = openVfat(source);
  const { variant, totalSectors, sectorsPerCluster, reservedSectors, tables, tableSectors } = volume.geometry;
  const { rootEntries, dataSector, clusters } = volume.geometry;
  const lines = [
    `${variant} label=${JSON.stringify(volume.label)} serial=${volume.serial?.toString(16).padStart(8, "0") ?? "none"}`,
    `sectors=${totalSectors} cluster=${sectorsPerCluster} reserved=${reservedSectors} tables=${tables}x${tableSectors}`,
    `root=${rootEntries} data=${dataSector} clusters=${clusters}`,
  ];
  for (const { kind, mode, mtimeSec, data, path } of volume.entries()) {
    const content = kind === "file" ? [data.sizeBytes, sourceSha256(data).slice(0, 8)] : [];
    lines.push([kind, mode.toString(8).padStart(4, "0"), `@${mtimeSec}`, ...content, path].join(" "));
  }
  return `${lines.join("\n")}\n`;
}
