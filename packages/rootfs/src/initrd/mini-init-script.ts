import { assert, encodeGuid } from "@cvm-build/bytes";
import { MINI_INIT_PROGRAM } from "./mini-init-program.ts";

/** Where the image travels that the initrd mounts. */
export type OverlayCarrier =
  /** Both as files of the initrd. */
  | { kind: "initrd" }
  /** As files of the first FAT file system that has them; paths from its root. */
  | { kind: "esp"; dataPath: string; hashPath: string }
  /** As partitions, by their UUIDs, lower case. */
  | { kind: "partition"; dataUuid: string; hashUuid: string }
  /** As one device that the kernel makes by itself, such as /dev/pmem0, with the hash tree behind the data. */
  | { kind: "device"; device: string };

/** What dm-verity is told of the image. */
export interface OverlayVerity {
  /** Version of the hash tree's format. */
  formatVersion: 0 | 1;
  algorithm: "sha256" | "sha512";
  /** Hex digits. */
  rootHash: string;
  /** Hex digits; empty for none. */
  salt: string;
  /** Blocks of 4096 bytes. */
  dataBlocks: number;
  /** First block of the hash tree on its device: after the superblock, where there is one. */
  hashStartBlock: number;
  /** Bytes of the hash device that count. */
  hashSizeBytes: number;
}

/** All that decides what the program does. */
export interface MiniInit {
  carrier: OverlayCarrier;
  verity: OverlayVerity;
  /** Whether data and hash tree are copied into memory and read through once before anything runs from them. */
  loadIntoRam: boolean;
  /** What reading a block does that is not what it was. */
  onCorruption: "error" | "restart" | "panic";
  /** Paths of modules in the initrd, in the order of loading. Those that find no device fail, and may. */
  modules: readonly string[];
  /** Path of the real init in the image. */
  init: string;
  /** How long to wait for a disk. */
  timeoutSec: number;
}

/** Where the initrd holds the image, when it holds it itself. */
export const CARRIED_DATA = "/cvm/root.erofs";
/** Where it holds the hash tree. */
export const CARRIED_HASHES = "/cvm/root.verity";
/** Programs of busybox that the script runs, each a link of the initrd. */
export const MINI_INIT_APPLETS = [
  "cat",
  "cut",
  "head",
  "insmod",
  "losetup",
  "mkdir",
  "mount",
  "poweroff",
  "readlink",
  "sh",
  "sleep",
  "stat",
  "switch_root",
  "umount",
  "xxd",
] as const;

const BLOCK_BYTES = 4096;
const SECTORS_PER_BLOCK = 8;
const CORRUPTION_ARGUMENTS = {
  error: "",
  restart: " 1 restart_on_corruption",
  panic: " 1 panic_on_corruption",
} as const;

/**
 * The table of a dm-verity device but for its two devices, which the program puts in place of `DATA` and `HASHES`.
 * @see Linux `Documentation/admin-guide/device-mapper/verity.rst`
 */
export function verityTable({ verity, onCorruption }: Pick<MiniInit, "verity" | "onCorruption">): string {
  const { formatVersion, algorithm, rootHash, salt, dataBlocks, hashStartBlock } = verity;
  const sectors = dataBlocks * SECTORS_PER_BLOCK;
  const blocks = `${BLOCK_BYTES} ${BLOCK_BYTES} ${dataBlocks} ${hashStartBlock}`;
  const digests = `${algorithm} ${rootHash} ${salt === "" ? "-" : salt}`;
  return `0 ${sectors} verity ${formatVersion} DATA HASHES ${blocks} ${digests}${CORRUPTION_ARGUMENTS[onCorruption]}`;
}

/** The program: /init of an initrd that does nothing but find, verify and mount an image, and go on in it. */
export function formatMiniInit(value: MiniInit): string {
  const { carrier, verity } = value;
  const settings: Record<string, string> = {
    carrier: carrier.kind,
    ...placesOf(carrier),
    data_bytes: String(verity.dataBlocks * BLOCK_BYTES),
    hash_bytes: String(verity.hashSizeBytes),
    table: verityTable(value),
    // A device of the kernel's own making is memory.
    into_ram: value.loadIntoRam && carrier.kind !== "device" ? "yes" : "no",
    init: value.init,
    timeout: String(value.timeoutSec),
    modules: value.modules.join(" "),
  };
  const lines = Object.entries(settings).map(([name, text]) => `${name}=${quote(text)}\n`);
  return MINI_INIT_PROGRAM.replace("SETTINGS\n", () => lines.join(""));
}

function placesOf(carrier: OverlayCarrier): Record<string, string> {
  switch (carrier.kind) {
    case "initrd":
      return { data_name: CARRIED_DATA, hash_name: CARRIED_HASHES };
    case "esp":
      return { data_name: carrier.dataPath, hash_name: carrier.hashPath };
    case "device":
      return { data_name: carrier.device, hash_name: carrier.device };
    case "partition":
      return {
        data_name: carrier.dataUuid,
        data_guid: encodeGuid(carrier.dataUuid).toString("hex"),
        hash_name: carrier.hashUuid,
        hash_guid: encodeGuid(carrier.hashUuid).toString("hex"),
      };
  }
}

/** Everything that reaches the program is ours or was checked when the profile was read. */
function quote(text: string): string {
  assert(/^[\x20-\x7e]*$/.test(text) && !text.includes("'"), `plain text for the initrd, got ${JSON.stringify(text)}`);
  return `'${text}'`;
}
