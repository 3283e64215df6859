import { FormatError } from "@cvm-build/bytes";
import { GPT_SIGNATURE, GptEntry, GptHeader, MAX_GPT_ENTRIES, SECTOR_BYTES, UNUSED_TYPE } from "@cvm-build/fs-writer";

/**
 * What firmware measures of the disk that it boots from: header, number of partitions, their entries.
 * @param disk its first sectors, of 512 bytes, up to the end of the partition table
 * @throws FormatError where they hold no GUID partition table
 * @see TCG PC Client Platform Firmware Profile, "UEFI_GPT_DATA"
 */
export function gptEventData(disk: Uint8Array): Buffer {
  const bytes = Buffer.from(disk.buffer, disk.byteOffset, disk.byteLength);
  const header = GptHeader.decode(bytes, SECTOR_BYTES);
  const refuse = (field: string, expectation: string) =>
    new FormatError({ record: "GptHeader", field, offsetBytes: SECTOR_BYTES }, expectation);
  if (!header.signature.equals(GPT_SIGNATURE)) throw refuse("signature", 'expected "EFI PART"');
  const { partitionCount, partitionEntryBytes, partitionEntryLba } = header;
  if (partitionEntryBytes !== GptEntry.sizeBytes) {
    throw refuse("partitionEntryBytes", `expected ${GptEntry.sizeBytes}, got ${partitionEntryBytes}`);
  }
  const start = Number(partitionEntryLba) * SECTOR_BYTES;
  if (partitionCount > MAX_GPT_ENTRIES || start + partitionCount * GptEntry.sizeBytes > bytes.length) {
    throw refuse("partitionCount", `expected entries within ${bytes.length} bytes, got ${partitionCount} at ${start}`);
  }
  const entries = Array.from({ length: partitionCount }, (_, index) =>
    bytes.subarray(start + index * GptEntry.sizeBytes, start + (index + 1) * GptEntry.sizeBytes),
  ).filter((entry) => GptEntry.decode(entry).typeGuid !== UNUSED_TYPE);
  const count = Buffer.alloc(8);
  count.writeUInt32LE(entries.length);
  return Buffer.concat([bytes.subarray(SECTOR_BYTES, SECTOR_BYTES + GptHeader.sizeBytes), count, ...entries]);
}
