import type { PartitionType } from "@cvm-build/fs-writer";
import type { InspectedPartition, Mount } from "./dissection.ts";

/** What systemd-dissect lists, in its order. */
const DESIGNATORS = [
  "root",
  "usr",
  "home",
  "srv",
  "esp",
  "xbootldr",
  "swap",
  "root-verity",
  "usr-verity",
  "root-verity-sig",
  "usr-verity-sig",
  "tmp",
  "var",
] as const satisfies readonly PartitionType[];
/** One of `DESIGNATORS`. */
export type Designator = (typeof DESIGNATORS)[number];

/** Nothing that is written to them stays, or they cannot be written to. */
const READ_ONLY_TYPES = ["DM_verity_hash", "erofs", "squashfs", "iso9660", "verity_hash_signature"];

/** Root hashes in files beside a disk. */
export interface RootHashes {
  root?: string;
  usr?: string;
}

/** The partition of a purpose: the first that has it. */
export function partitionOf(
  partitions: readonly InspectedPartition[],
  designator: Designator,
): InspectedPartition | undefined {
  return partitions.find(({ type }) => type === designator);
}

/**
 * The table of systemd-dissect.
 * @param known architectures of partitions by number, and which of root and usr have their root hash in a file beside the
 * disk
 */
export function mountsOf(
  partitions: readonly InspectedPartition[],
  known: { architectures: ReadonlyMap<number, string>; rootHashes: RootHashes },
): Mount[] {
  return DESIGNATORS.flatMap((designator) => {
    const partition = partitionOf(partitions, designator);
    if (!partition) return [];
    const { uuid, label, flags, contents, partno } = partition;
    const isReadOnly = flags.includes("read-only") || READ_ONLY_TYPES.includes(contents.fstype ?? "");
    return {
      rw: isReadOnly ? "ro" : "rw",
      designator,
      partition_uuid: uuid,
      partition_label: label === "" ? null : label,
      fstype: contents.fstype ?? null,
      architecture: known.architectures.get(partno) ?? null,
      verity: verityOf(partitions, designator, known.rootHashes),
      growfs: !isReadOnly && flags.includes("grow-file-system"),
      partno,
    };
  });
}

/** The only row of an image without partitions, which may have a hash tree in a file beside it. */
export function nakedMount(fstype: string | undefined, { hasVerity }: { hasVerity: boolean }): Mount {
  return {
    rw: READ_ONLY_TYPES.includes(fstype ?? "") ? "ro" : "rw",
    designator: "root",
    partition_uuid: null,
    partition_label: null,
    fstype: fstype ?? null,
    architecture: null,
    verity: hasVerity ? "external" : null,
    growfs: false,
    partno: null,
  };
}

/** A hash tree is of use to whoever has its root hash: from a file, or with a signature. */
function verityOf(
  partitions: readonly InspectedPartition[],
  designator: Designator,
  rootHashes: RootHashes,
): Mount["verity"] {
  if (designator !== "root" && designator !== "usr") return null;
  if (!partitionOf(partitions, `${designator}-verity`)) return "no";
  if (partitionOf(partitions, `${designator}-verity-sig`)) return "signed";
  return rootHashes[designator] === undefined ? "no" : "yes";
}
