import { assert, decodeUuid, type Guid } from "@cvm-build/bytes";

const UUID_BYTES = 16;

/**
 * UUIDs of a partition with data and of the one with its hash tree: the root hash's first and last 128 bits, by which
 * systemd finds both once it knows the root hash.
 * @param rootHash lower-case hex
 * @see UAPI Group, Discoverable Partitions Specification, "Defined Partition Type UUIDs"
 */
export function verityPartitionUuids(rootHash: string): { data: Guid; verity: Guid } {
  const bytes = Buffer.from(rootHash, "hex");
  assert(bytes.length >= 2 * UUID_BYTES, `expected a root hash of 32 bytes or more, got ${JSON.stringify(rootHash)}`);
  return { data: decodeUuid(bytes.subarray(0, UUID_BYTES)), verity: decodeUuid(bytes.subarray(-UUID_BYTES)) };
}
