import { crc32 } from "node:zlib";
import {
  DIRECTIVE_HEADERS,
  type DirectiveHeader,
  FixedHeader,
  FixedHeaderV2,
  IGVM_MAGIC,
  INITIALIZATION_HEADERS,
  type InitializationHeader,
  PLATFORM_HEADERS,
  PLATFORM_TYPES,
  type PlatformHeader,
  type PlatformType,
  VariableHeader,
} from "./format.ts";

/** A header with only the fields that are not zero. */
interface SparseHeader {
  name: string;
  fields?: Readonly<Record<string, number | bigint | Buffer>>;
  data?: Buffer;
  /** Instead of the type and size that the name has. */
  type?: number;
  sizeBytes?: number;
}

const TABLES = { ...PLATFORM_HEADERS, ...INITIALIZATION_HEADERS, ...DIRECTIVE_HEADERS };

/** A platform with a mask of its own. */
export function platform(name: PlatformType, compatibilityMask: number): SparseHeader {
  return {
    name: "SUPPORTED_PLATFORM",
    fields: { compatibilityMask, platformType: PLATFORM_TYPES.indexOf(name), platformVersion: 1 },
  };
}

/** A page of 4 KiB. */
export function page(gpa: number | bigint, data?: Buffer, fields: SparseHeader["fields"] = {}): SparseHeader {
  return {
    name: "PAGE_DATA",
    fields: { gpa: BigInt(gpa), compatibilityMask: 1, ...fields },
    ...(data && { data }),
  };
}

/** A file of these headers. `spoil` changes the fixed header's fields after the checksum is made. */
export function makeIgvm(
  headers: readonly SparseHeader[],
  options: {
    formatVersion?: 1 | 2;
    spoil?: Partial<ReturnType<typeof FixedHeader.decode>>;
    architecture?: number;
  } = {},
): Buffer {
  const { formatVersion = 1 } = options;
  const fixedBytes = FixedHeader.sizeBytes + (formatVersion === 1 ? 0 : FixedHeaderV2.sizeBytes);
  const sizes = headers.map(({ name, type, sizeBytes }) => {
    const body = sizeBytes ?? (type === undefined ? recordOf(name).sizeBytes : 8);
    return VariableHeader.sizeBytes + Math.ceil(body / 8) * 8;
  });
  const variableBytes = sizes.reduce((sum, size) => sum + size, 0);
  let dataOffset = fixedBytes + variableBytes;
  const variable = headers.map((header, index) => {
    const encoded = Buffer.alloc(sizes[index]!);
    encodeHeader(header, header.data ? dataOffset : 0).copy(encoded);
    dataOffset += header.data?.length ?? 0;
    return encoded;
  });
  const data = Buffer.concat(headers.map((header) => header.data ?? Buffer.alloc(0)));
  const values = {
    magic: IGVM_MAGIC,
    formatVersion,
    variableHeaderOffset: fixedBytes,
    variableHeaderSizeBytes: variableBytes,
    totalFileSizeBytes: fixedBytes + variableBytes + data.length,
    checksum: 0,
  };
  const second = FixedHeaderV2.encode({ architecture: options.architecture ?? 0, pageSizeBytes: 4096 });
  const fixed = (checksum: number, spoil = {}): Buffer =>
    Buffer.concat([
      FixedHeader.encode({ ...values, checksum, ...spoil }),
      formatVersion === 1 ? Buffer.alloc(0) : second,
    ]);
  const checksum = crc32(Buffer.concat([fixed(0, options.spoil), ...variable]));
  return Buffer.concat([fixed(checksum, options.spoil), ...variable, data]);
}

function encodeHeader({ name, fields = {}, type, sizeBytes }: SparseHeader, fileOffset: number): Buffer {
  if (type !== undefined) return Buffer.concat([VariableHeader.encode({ type, sizeBytes: sizeBytes ?? 8 })]);
  const record = recordOf(name);
  const zero = record.decode(Buffer.alloc(record.sizeBytes));
  const place = fileOffset === 0 || !("fileOffset" in zero) ? {} : { fileOffset };
  const body = record.encode({ ...zero, ...place, ...fields });
  return Buffer.concat([
    VariableHeader.encode({ type: TABLES[name as keyof typeof TABLES].type, sizeBytes: sizeBytes ?? body.length }),
    body,
  ]);
}

/** What a table's record does to any value; the fixture's callers know which fields it has. */
interface LooseRecord {
  sizeBytes: number;
  decode(bytes: Uint8Array): Record<string, unknown>;
  encode(values: Record<string, unknown>): Buffer;
}

function recordOf(name: string): LooseRecord {
  return TABLES[name as (PlatformHeader | InitializationHeader | DirectiveHeader)["name"]]
    .record as unknown as LooseRecord;
}
