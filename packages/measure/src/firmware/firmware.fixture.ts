import { encodeGuid } from "@cvm-build/bytes";

/** Data of an entry by its GUID. */
type Entries = Readonly<Record<string, Buffer>>;

const FOOTER = "96b582de-1fb2-45f7-baea-a366c55a082d";
const SEV_METADATA = "dc886566-984a-4798-a75e-5585a7bf67cc";

/** Words of four bytes, little-endian. */
export function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32LE(value, 4 * index));
  return bytes;
}

/** An entry as OVMF writes it: data, length of all of it, GUID. */
export function tableEntry(guid: string, data: Buffer, sizeBytes = data.length + 18): Buffer {
  const size = Buffer.alloc(2);
  size.writeUInt16LE(sizeBytes);
  return Buffer.concat([data, size, encodeGuid(guid)]);
}

/**
 * Firmware of whole pages that ends with a table.
 * @param options.metadata SEV metadata as triples of GPA, size and type; `head` replaces its header
 */
export function makeFirmware(
  entries: Entries = {},
  options: { metadata?: readonly (readonly number[])[]; head?: Buffer; pages?: number } = {},
): Buffer {
  const { metadata, pages = 1 } = options;
  const list = metadata?.flat() ?? [];
  const head = options.head ?? Buffer.concat([Buffer.from("ASEV"), words(16 + 4 * list.length, 1, list.length / 3)]);
  const body = metadata ? Buffer.concat([head, words(...list)]) : Buffer.alloc(0);
  const encoded = Object.entries(entries).map(([guid, data]) => tableEntry(guid, data));
  const pointer = metadata ? [tableEntry(SEV_METADATA, words(0))] : [];
  const table = Buffer.concat([...encoded, ...pointer]);
  const end = Buffer.concat([table, tableEntry(FOOTER, Buffer.alloc(0), table.length + 18), Buffer.alloc(32, 0x90)]);
  const firmware = Buffer.concat([Buffer.alloc(pages * 4096 - body.length - end.length, 0xaa), body, end]);
  if (metadata) firmware.writeUInt32LE(body.length + end.length, firmware.length - 32 - 18 - 18 - 4);
  return firmware;
}
