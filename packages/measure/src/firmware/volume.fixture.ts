import { alignUp, type Guid } from "@cvm-build/bytes";
import { lzma } from "@napi-rs/lzma";
import {
  FILE_SYSTEMS,
  FILE_TYPES,
  FileHeader,
  GuidDefined,
  LZMA_SECTION,
  SECTION_TYPES,
  SectionHeader,
  VolumeHeader,
} from "./volume-format.ts";

/** A section of a file. */
export function makeSection(type: number, content: Buffer): Buffer {
  const sizeBytes = SectionHeader.sizeBytes + content.length;
  const bytes = Buffer.concat([SectionHeader.encode({ size: u24(sizeBytes), type }), content]);
  return Buffer.concat([bytes, Buffer.alloc(alignUp(sizeBytes, 4) - sizeBytes)]);
}

/** A section whose content is encoded. */
export function makeGuidedSection(definition: Guid, content: Buffer): Buffer {
  const dataOffset = SectionHeader.sizeBytes + GuidDefined.sizeBytes;
  return makeSection(
    SECTION_TYPES.guidDefined,
    Buffer.concat([GuidDefined.encode({ definition, dataOffset, attributes: 1 }), content]),
  );
}

/** A file of sections. */
export function makeFile(name: Guid, type: number, sections: readonly Buffer[]): Buffer {
  const content = Buffer.concat(sections);
  const sizeBytes = FileHeader.sizeBytes + content.length;
  const header = {
    name,
    headerChecksum: 0,
    fileChecksum: 0xaa,
    type,
    attributes: 0,
    size: u24(sizeBytes),
    state: 0xf8,
  };
  const bytes = Buffer.concat([FileHeader.encode(header), content]);
  return Buffer.concat([bytes, Buffer.alloc(alignUp(sizeBytes, 8) - sizeBytes, 0xff)]);
}

/** A volume with files, the rest of it erased. */
export function makeVolume(files: readonly Buffer[], sizeBytes = 0x1000): Buffer {
  const header = VolumeHeader.encode({
    zeroVector: Buffer.alloc(16),
    fileSystem: FILE_SYSTEMS[0]!,
    sizeBytes: BigInt(sizeBytes),
    signature: "_FVH",
    attributes: 0,
    headerSizeBytes: 72,
    checksum: 0,
    extHeaderOffset: 0,
    reserved: 0,
    revision: 2,
  });
  const volume = Buffer.alloc(sizeBytes, 0xff);
  Buffer.concat([header, Buffer.alloc(16), ...files]).copy(volume);
  let sum = 0;
  for (let offset = 0; offset < 72; offset += 2) sum += volume.readUInt16LE(offset);
  volume.writeUInt16LE(-sum & 0xffff, VolumeHeader.offsetOf("checksum"));
  return volume;
}

/** An LZMA stream that states its size, as firmware's tools write it. */
export function makeLzma(content: Buffer): Buffer {
  const stream = lzma.compressSync(content);
  stream.writeBigUInt64LE(BigInt(content.length), 5);
  return stream;
}

/** Flash as OVMF's: a volume with a file with a stream with volumes. */
export function makeFlash(volumes: readonly Buffer[]): Buffer {
  const stream = makeLzma(Buffer.concat(volumes.map((volume) => makeSection(SECTION_TYPES.volume, volume))));
  const packed = makeFile(PACKED_FILE, FILE_TYPES.volume, [makeGuidedSection(LZMA_SECTION, stream)]);
  return makeVolume([packed], alignUp(72 + packed.length, 0x1000));
}

const PACKED_FILE: Guid = "9e21fd93-9c72-4c15-8c4b-e77f1db2d792";

function u24(value: number): Buffer {
  const bytes = Buffer.alloc(3);
  bytes.writeUIntLE(value, 0, 3);
  return bytes;
}
