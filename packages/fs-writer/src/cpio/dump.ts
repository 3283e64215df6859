import type { ByteSource } from "@cvm-build/bytes";
import { type CpioEntry, readCpio, type ReadCpioOptions } from "./reader.ts";

/**
 * An initrd as text, one line an entry in the order of the archive: kind, mode, owner, mtime, links, size or device, name
 * and target.
 * @throws FormatError as `readCpio` does
 */
export function dumpCpio(source: ByteSource, options: ReadCpioOptions = {}): string {
  let text = "";
  for (const entry of readCpio(source, options)) text += `${dumpEntry(entry)}\n`;
  return text;
}

function dumpEntry(entry: CpioEntry): string {
  const isDevice = entry.kind === "char" || entry.kind === "block";
  const columns = [
    entry.kind,
    entry.mode.toString(8).padStart(4, "0"),
    `${entry.uid}:${entry.gid}`,
    `@${entry.mtimeSec}`,
    `links=${entry.nlink}`,
    isDevice ? `${entry.rdevmajor}:${entry.rdevminor}` : String(entry.data.sizeBytes),
    entry.name,
  ];
  if (entry.kind === "symlink") columns.push("->", entry.data.read(0, entry.data.sizeBytes).toString("utf8"));
  return columns.join(" ");
}
