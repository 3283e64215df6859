import { type ByteSource, FormatError, record, u32be } from "@cvm-build/bytes";

/**
 * How a device tree blob begins: 40 bytes, big-endian.
 * @see Devicetree Specification 0.4, 5.2, "Header"
 */
const DeviceTreeHeader = record("DeviceTreeHeader", 40, {
  magic: [0x00, u32be],
  totalBytes: [0x04, u32be],
  structureOffset: [0x08, u32be],
  stringsOffset: [0x0c, u32be],
  reservationsOffset: [0x10, u32be],
  version: [0x14, u32be],
  lastCompatibleVersion: [0x18, u32be],
  bootCpu: [0x1c, u32be],
  stringsBytes: [0x20, u32be],
  structureBytes: [0x24, u32be],
});
const MAGIC = 0xd00d_feed;
/** @see Devicetree Specification 0.4, 5.4.1, "Lexical structure" */
const TOKENS = { beginNode: 1, endNode: 2, property: 3, nop: 4 } as const;
/** Device trees have some hundred KB. */
const MAX_BYTES = 1 << 24;

/**
 * Reads what a device tree says it is for: `compatible` of its root node.
 * @returns an empty list where it says nothing
 * @throws FormatError where it is no device tree
 */
export function readCompatible(content: ByteSource): string[] {
  const bytes = content.read(0, Math.min(content.sizeBytes, MAX_BYTES));
  const header = DeviceTreeHeader.decode(bytes);
  if (header.magic !== MAGIC) {
    throw new FormatError(
      { record: "DeviceTreeHeader", field: "magic", offsetBytes: 0 },
      `expected 0x${MAGIC.toString(16)}, got 0x${header.magic.toString(16)}`,
    );
  }
  const word = (offset: number): number => {
    if (offset + 4 <= bytes.length) return bytes.readUInt32BE(offset);
    throw new FormatError({ record: "DeviceTree", offsetBytes: offset }, `expected 4 bytes within ${bytes.length}`);
  };
  // The root node has no name: its token is followed by an empty, padded one.
  let offset = header.structureOffset;
  while (word(offset) === TOKENS.nop) offset += 4;
  if (word(offset) !== TOKENS.beginNode) {
    throw new FormatError({ record: "DeviceTree", offsetBytes: offset }, "expected the start of the root node");
  }
  offset += 8;
  for (;;) {
    const token = word(offset);
    if (token === TOKENS.nop) offset += 4;
    else if (token !== TOKENS.property) return [];
    else {
      const sizeBytes = word(offset + 4);
      const name = readName(bytes, header.stringsOffset + word(offset + 8));
      const start = offset + 12;
      if (name === "compatible") return readTexts(bytes, { start, sizeBytes });
      offset = start + Math.ceil(sizeBytes / 4) * 4;
    }
  }
}

function readName(bytes: Buffer, offset: number): string {
  const end = bytes.indexOf(0, offset);
  if (offset < bytes.length && end >= 0) return bytes.toString("latin1", offset, end);
  throw new FormatError({ record: "DeviceTree", field: "strings", offsetBytes: offset }, "expected text and a NUL");
}

function readTexts(bytes: Buffer, { start, sizeBytes }: { start: number; sizeBytes: number }): string[] {
  if (start + sizeBytes > bytes.length) {
    throw new FormatError(
      { record: "DeviceTree", field: "compatible", offsetBytes: start },
      `expected ${sizeBytes} bytes within ${bytes.length}`,
    );
  }
  return bytes
    .toString("utf8", start, start + sizeBytes)
    .split("\0")
    .filter((text) => text !== "");
}
