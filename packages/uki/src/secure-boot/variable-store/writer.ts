import { alignUp, type ByteSource } from "@cvm-build/bytes";
import { ukiError } from "../../error.ts";
import { encodeEfiTime, EfiTime } from "../efi-time.ts";
import { ERASED, VARIABLE_ALIGNMENT, VARIABLE_START, VARIABLE_STATES, VariableHeader } from "./format.ts";
import { currentVariables, type FirmwareVariable, readVariableStore, type StoredVariable } from "./reader.ts";

/** A variable to be put into a store. */
export interface NewVariable extends FirmwareVariable {
  /** Of an authenticated variable: firmware takes only updates that are later. */
  timestamp?: Date;
}

/**
 * A variable store with variables added, or replaced where the template has them. The template's other variables stay,
 * deleted ones go, everything outside of the store is as it was. Equal inputs give equal bytes.
 * @param template a file that begins with a variable store, such as `OVMF_VARS_4M.fd`
 * @returns the whole file
 * @throws FormatError where the template has no store; CvmError `secure-boot` where it has no room
 */
export function writeVariableStore(template: ByteSource, variables: readonly NewVariable[]): Buffer {
  const store = readVariableStore(template);
  const replaced = new Set(variables.map(keyOf));
  const kept = currentVariables(store).filter((variable) => !replaced.has(keyOf(variable)));
  const encoded = [...kept, ...variables.map(stored)].map(encodeVariable);
  const neededBytes = encoded.reduce((sum, { length }) => sum + length, 0);
  if (neededBytes > store.sizeBytes) {
    throw ukiError(
      "secure-boot",
      `cannot write variable store: expected at most ${store.sizeBytes} bytes of variables, got ${neededBytes}`,
      { hint: "take the 4M build of OVMF, or leave entries of dbx out" },
    );
  }
  const file = Buffer.from(template.read(0, template.sizeBytes));
  const room = file.subarray(store.offsetBytes, store.offsetBytes + store.sizeBytes).fill(ERASED);
  Buffer.concat(encoded).copy(room);
  return file;
}

function keyOf({ vendor, name }: FirmwareVariable): string {
  return `${vendor} ${name}`;
}

function stored({ timestamp, ...variable }: NewVariable): StoredVariable {
  return {
    ...variable,
    state: VARIABLE_STATES.added,
    monotonicCount: 0n,
    timeStamp: timestamp ? encodeEfiTime(timestamp) : Buffer.alloc(EfiTime.sizeBytes),
    pubKeyIndex: 0,
  };
}

function encodeVariable({ name, vendor, data, ...header }: StoredVariable): Buffer {
  const encodedName = Buffer.from(`${name}\0`, "utf16le");
  const sizeBytes = VariableHeader.sizeBytes + encodedName.length + data.length;
  const fields = VariableHeader.encode({
    ...header,
    startId: VARIABLE_START,
    state: VARIABLE_STATES.added,
    reserved: 0,
    nameSize: encodedName.length,
    dataSize: data.length,
    vendorGuid: vendor,
  });
  const padding = Buffer.alloc(alignUp(sizeBytes, VARIABLE_ALIGNMENT) - sizeBytes, ERASED);
  return Buffer.concat([fields, encodedName, data, padding]);
}
