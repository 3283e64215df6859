import { alignUp, type ByteSource, FormatError, type Guid } from "@cvm-build/bytes";
import {
  AUTHENTICATED_VARIABLE_STORE,
  FirmwareVolumeHeader,
  FV_SIGNATURE,
  STORE_FORMATTED,
  STORE_HEALTHY,
  STORE_LIMITS,
  SYSTEM_NV_DATA_FV,
  VARIABLE_ALIGNMENT,
  VARIABLE_START,
  VARIABLE_STATES,
  VariableHeader,
  VariableStoreHeader,
} from "./format.ts";

/** A variable of UEFI firmware. */
export interface FirmwareVariable {
  name: string;
  vendor: Guid;
  attributes: number;
  data: Buffer;
}

/** A variable as it stands in a store. */
export interface StoredVariable extends FirmwareVariable {
  /** One of `VARIABLE_STATES` where the variable may count; anything else where it was deleted. */
  state: number;
  monotonicCount: bigint;
  /** `EFI_TIME` of the last authenticated write, zeros where there was none. */
  timeStamp: Buffer;
  pubKeyIndex: number;
}

/** The variables that UEFI firmware of EDK2's keeps in flash, and where they stand. */
export interface VariableStore {
  /** In the order of writing, those deleted since among them. */
  variables: StoredVariable[];
  /** Where in the file the first variable stands. */
  offsetBytes: number;
  /** Room for variables from there on. */
  sizeBytes: number;
}

/**
 * Reads the variable store at the start of a file: `OVMF_VARS.fd`, or firmware and store in one.
 * @throws FormatError where there is no store with authenticated variables
 * @see EDK2, MdeModulePkg/Include/Guid/VariableFormat.h
 */
export function readVariableStore(source: ByteSource): VariableStore {
  const { start, end } = readVolumeHeader(source);
  const header = VariableStoreHeader.decode(source.read(start, Math.min(end - start, VariableStoreHeader.sizeBytes)));
  checkStoreHeader(header, { offsetBytes: start, roomBytes: end - start });
  const offsetBytes = start + VariableStoreHeader.sizeBytes;
  const sizeBytes = header.size - VariableStoreHeader.sizeBytes;
  return { variables: readVariables(source.read(offsetBytes, sizeBytes), offsetBytes), offsetBytes, sizeBytes };
}

/**
 * The variables that count: each once, without the deleted. Firmware takes the first that is added, else the last that is
 * being replaced.
 * @see EDK2, MdeModulePkg/Universal/Variable/RuntimeDxe/VariableParsing.c, `FindVariableEx`
 */
export function currentVariables({ variables }: Pick<VariableStore, "variables">): StoredVariable[] {
  const { added, inDeletedTransition } = VARIABLE_STATES;
  const inState = (wanted: number) => variables.filter(({ state }) => state === wanted);
  const byPrecedence = [...inState(inDeletedTransition), ...inState(added).reverse()];
  const current = new Map(byPrecedence.map((variable) => [`${variable.vendor} ${variable.name}`, variable]));
  return variables.filter((variable) => current.get(`${variable.vendor} ${variable.name}`) === variable);
}

/** @returns where the store's header stands, and where the volume ends */
function readVolumeHeader(source: ByteSource): { start: number; end: number } {
  const record = "EFI_FIRMWARE_VOLUME_HEADER";
  const bytes = source.read(0, Math.min(source.sizeBytes, FirmwareVolumeHeader.sizeBytes));
  const header = FirmwareVolumeHeader.decode(bytes);
  const refuse = (field: keyof FirmwareVolumeHeader, expectation: string): never => {
    throw new FormatError({ record, field, offsetBytes: FirmwareVolumeHeader.offsetOf(field) }, expectation);
  };
  if (header.signature !== FV_SIGNATURE) refuse("signature", "expected _FVH, got something else");
  if (header.fileSystemGuid !== SYSTEM_NV_DATA_FV) {
    refuse("fileSystemGuid", `expected ${SYSTEM_NV_DATA_FV} of a volume with variables, got ${header.fileSystemGuid}`);
  }
  const limit = Math.min(source.sizeBytes, STORE_LIMITS.sizeBytes);
  if (header.fvLength > BigInt(limit)) refuse("fvLength", `expected at most ${limit}, got ${header.fvLength}`);
  const { headerLength } = header;
  const end = Number(header.fvLength);
  const longest = Math.min(end, STORE_LIMITS.headerBytes);
  if (headerLength < FirmwareVolumeHeader.sizeBytes || headerLength > longest || headerLength % 2 !== 0) {
    refuse("headerLength", `expected an even number up to ${longest}, got ${headerLength}`);
  }
  const sum = sumOfWords(source.read(0, headerLength));
  if (sum !== 0) refuse("checksum", `expected words that add up to 0, got ${sum}`);
  return { start: headerLength, end };
}

function checkStoreHeader(header: VariableStoreHeader, place: { offsetBytes: number; roomBytes: number }): void {
  const refuse = (field: keyof VariableStoreHeader, expectation: string): never => {
    const offsetBytes = place.offsetBytes + VariableStoreHeader.offsetOf(field);
    throw new FormatError({ record: "VARIABLE_STORE_HEADER", field, offsetBytes }, expectation);
  };
  if (header.signature !== AUTHENTICATED_VARIABLE_STORE) {
    refuse("signature", `expected ${AUTHENTICATED_VARIABLE_STORE}, got ${header.signature}`);
  }
  if (header.format !== STORE_FORMATTED) refuse("format", `expected ${STORE_FORMATTED}, got ${header.format}`);
  if (header.state !== STORE_HEALTHY) refuse("state", `expected ${STORE_HEALTHY}, got ${header.state}`);
  if (header.size < VariableStoreHeader.sizeBytes || header.size > place.roomBytes) {
    refuse("size", `expected ${VariableStoreHeader.sizeBytes}..${place.roomBytes}, got ${header.size}`);
  }
}

/** Each variable has at least the size of its header, which bounds the loop. */
function readVariables(bytes: Buffer, storeOffset: number): StoredVariable[] {
  const variables: StoredVariable[] = [];
  let offset = 0;
  while (offset + VariableHeader.sizeBytes <= bytes.length && bytes.readUInt16LE(offset) === VARIABLE_START) {
    const header = VariableHeader.decode(bytes, offset);
    const nameOffset = offset + VariableHeader.sizeBytes;
    const dataOffset = nameOffset + header.nameSize;
    const end = dataOffset + header.dataSize;
    const refuse = (field: "nameSize" | "dataSize", expectation: string): never => {
      const offsetBytes = storeOffset + offset + VariableHeader.offsetOf(field);
      throw new FormatError({ record: "AUTHENTICATED_VARIABLE_HEADER", field, offsetBytes }, expectation);
    };
    if (dataOffset > bytes.length || header.nameSize % 2 !== 0) {
      refuse("nameSize", `expected an even number up to ${bytes.length - nameOffset}, got ${header.nameSize}`);
    }
    if (end > bytes.length) refuse("dataSize", `expected at most ${bytes.length - dataOffset}, got ${header.dataSize}`);
    const { state, attributes, monotonicCount, timeStamp, pubKeyIndex, vendorGuid: vendor } = header;
    const name = bytes.toString("utf16le", nameOffset, dataOffset).replace(/\0$/, "");
    const data = Buffer.from(bytes.subarray(dataOffset, end));
    variables.push({ name, vendor, attributes, data, state, monotonicCount, timeStamp, pubKeyIndex });
    offset = alignUp(end, VARIABLE_ALIGNMENT);
  }
  return variables;
}

function sumOfWords(bytes: Buffer): number {
  let sum = 0;
  for (let offset = 0; offset < bytes.length; offset += 2) sum = (sum + bytes.readUInt16LE(offset)) & 0xffff;
  return sum;
}
