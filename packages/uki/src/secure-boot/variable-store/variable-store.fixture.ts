import {
  AUTHENTICATED_VARIABLE_STORE,
  FirmwareVolumeHeader,
  FV_SIGNATURE,
  STORE_FORMATTED,
  STORE_HEALTHY,
  SYSTEM_NV_DATA_FV,
  VARIABLE_START,
  VariableHeader,
  VariableStoreHeader,
} from "./format.ts";

/** Sizes of what `makeVariables` makes. */
export const MADE = { volumeBytes: 8192, headerBytes: 72, storeBytes: 4096 } as const;

/** A variable for `makeVariables`. */
export interface MadeVariable {
  name: string;
  vendor: string;
  data: Buffer;
  state?: number;
}

/** Makes what looks like `OVMF_VARS.fd`, with bytes after the store and after the volume. */
export function makeVariables(variables: readonly MadeVariable[]): Buffer {
  const file = Buffer.alloc(MADE.volumeBytes + 100, 0xff);
  const header = FirmwareVolumeHeader.encode({
    zeroVector: Buffer.alloc(16),
    fileSystemGuid: SYSTEM_NV_DATA_FV,
    fvLength: BigInt(MADE.volumeBytes),
    signature: FV_SIGNATURE,
    attributes: 0x4feff,
    headerLength: MADE.headerBytes,
    checksum: 0,
    extHeaderOffset: 0,
    reserved: 0,
    revision: 2,
  });
  header.copy(file);
  file.fill(0, header.length, MADE.headerBytes);
  file.writeUInt32LE(2, header.length);
  file.writeUInt32LE(4096, header.length + 4);
  fixChecksum(file);
  const store = VariableStoreHeader.encode({
    signature: AUTHENTICATED_VARIABLE_STORE,
    size: MADE.storeBytes,
    format: STORE_FORMATTED,
    state: STORE_HEALTHY,
    reserved: 0,
    reserved1: 0,
  });
  store.copy(file, MADE.headerBytes);
  let offset = MADE.headerBytes + store.length;
  for (const variable of variables) {
    const encoded = encode(variable);
    encoded.copy(file, offset);
    offset += Math.ceil(encoded.length / 4) * 4;
  }
  file.write("fault-tolerant write", MADE.headerBytes + MADE.storeBytes);
  file.write("code", MADE.volumeBytes);
  return file;
}

/** Makes the words of a volume's header add up to zero again. */
export function fixChecksum(file: Buffer): void {
  const place = FirmwareVolumeHeader.offsetOf("checksum");
  file.writeUInt16LE(0, place);
  let sum = 0;
  for (let offset = 0; offset < MADE.headerBytes; offset += 2) sum += file.readUInt16LE(offset);
  file.writeUInt16LE(-sum & 0xffff, place);
}

function encode({ name, vendor, data, state = 0x3f }: MadeVariable): Buffer {
  const encodedName = Buffer.from(`${name}\0`, "utf16le");
  const header = VariableHeader.encode({
    startId: VARIABLE_START,
    state,
    reserved: 0,
    attributes: 7,
    monotonicCount: 0n,
    timeStamp: Buffer.alloc(16),
    pubKeyIndex: 0,
    nameSize: encodedName.length,
    dataSize: data.length,
    vendorGuid: vendor,
  });
  return Buffer.concat([header, encodedName, data]);
}
