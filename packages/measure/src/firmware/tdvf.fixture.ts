import { encodeGuid } from "@cvm-build/bytes";

/** A section to be put into firmware: type and attributes by number, as the file has them. */
export interface MadeSection {
  dataOffset?: number;
  rawDataSizeBytes?: number;
  memoryAddress?: number | bigint;
  memoryDataSizeBytes?: number | bigint;
  type: number;
  attributes?: number;
}

const METADATA_OFFSET = "e47a6535-984a-4798-865e-4685a7bf8ec2";
const METADATA = "e9eaf9f3-168e-44d5-a8eb-7f4d8738f6ae";
const TABLE_FOOTER = "96b582de-1fb2-45f7-baea-a366c55a082d";

const u16 = (value: number) => Buffer.from([value & 0xff, value >> 8]);
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: number | bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};

/**
 * Makes firmware: bytes of 0, 1, 2, … (modulo 251), then the metadata, found as OVMF's is or as td-shim's.
 * @param options.descriptor fields that are to be other than they should
 */
export function makeTdvf(
  sections: readonly MadeSection[],
  options: {
    form?: "ovmf" | "td-shim";
    contentBytes?: number;
    descriptor?: { signature?: string; lengthBytes?: number; version?: number; sectionCount?: number };
    guid?: string;
  } = {},
): Buffer {
  const { form = "ovmf", contentBytes = 0x3000, descriptor = {} } = options;
  const content = Buffer.from(Array.from({ length: contentBytes }, (_, index) => index % 251));
  const metadata = Buffer.concat([
    encodeGuid(options.guid ?? METADATA),
    Buffer.from(descriptor.signature ?? "TDVF", "latin1"),
    u32(descriptor.lengthBytes ?? 16 + 32 * sections.length),
    u32(descriptor.version ?? 1),
    u32(descriptor.sectionCount ?? sections.length),
    ...sections.map((section) =>
      Buffer.concat([
        u32(section.dataOffset ?? 0),
        u32(section.rawDataSizeBytes ?? 0),
        u64(section.memoryAddress ?? 0),
        u64(section.memoryDataSizeBytes ?? 0),
        u32(section.type),
        u32(section.attributes ?? 0),
      ]),
    ),
  ]);
  if (form === "td-shim") {
    return Buffer.concat([content, metadata, u32(content.length + 16), Buffer.alloc(28)]);
  }
  const tableBytes = 22 + 18;
  const fromEnd = metadata.length - 16 + tableBytes + 32;
  return Buffer.concat([
    content,
    metadata,
    u32(fromEnd),
    u16(22),
    encodeGuid(METADATA_OFFSET),
    u16(tableBytes),
    encodeGuid(TABLE_FOOTER),
    Buffer.alloc(32),
  ]);
}
