import type { ByteSource } from "@cvm-build/bytes";
import { Qcow2Header } from "./qcow2/format.ts";
import { isQcow2, readQcow2Header } from "./qcow2/reader.ts";
import { VhdFooter } from "./vhd/format.ts";
import { isVhd, readVhdFooter } from "./vhd/reader.ts";

/**
 * What a disk's container says of it as text, one `name = value` line each; nothing of a raw disk.
 * @throws FormatError
 */
export function dumpDisk(source: ByteSource): string {
  if (isQcow2(source)) return Qcow2Header.dump(readQcow2Header(source));
  return isVhd(source) ? VhdFooter.dump(readVhdFooter(source)).replace(/^reserved = 0+\n/m, "") : "";
}
