import { statSync } from "node:fs";
import {
  type EventLog,
  type Prediction,
  readEventLog,
  type SecureBootVariables,
  secureBootVariablesOf,
} from "@cvm-build/measure";
import type { PlatformDeclaration } from "@cvm-build/profile";
import { readVariableStore } from "@cvm-build/uki";
import { Memo } from "./memo.ts";
import { type NamedFile, openNamedFile } from "../named-file.ts";

/** A platform with its files read. */
export interface ReadyPlatform {
  declaration: PlatformDeclaration;
  /** The file that the VMM maps below 4 GiB. */
  firmware?: NamedBytes;
  /** A raw SVSM below firmware and its variables. */
  svsm?: NamedBytes;
  igvm?: NamedBytes;
  /** The log of a TD on a machine like it, for what the host decides. */
  ccel?: EventLog;
  /** What Secure Boot's variables hold; where they are not known, Secure Boot is off. */
  variables?: SecureBootVariables;
  /** Bytes of the variable store that lies below the firmware, where it is a file of its own. */
  variablesSizeBytes?: number;
  /** What was found out of these files. */
  memo: Memo;
}

/** A file that was read. */
export interface NamedBytes {
  path: string;
  bytes: Buffer;
}

/** What of a prediction a TEE adds. */
export type TeePrediction = Pick<Prediction, "events" | "registers" | "unpredicted" | "alternatives">;

/** More than any VMM maps. */
const MAX_FILE_BYTES = 1 << 28;

/**
 * Reads the files that a platform names.
 * @param options.variableStore where the platform names none of its own
 * @throws CvmError `no-file`; FormatError where a file is not what it should be
 */
export function readPlatform(
  declaration: PlatformDeclaration,
  { variableStore }: { variableStore?: string | undefined } = {},
): ReadyPlatform {
  const { firmware, snp, tdx } = declaration;
  const variables = readVariables(firmware?.variables ?? variableStore, firmware?.secureBootSupport ?? true);
  const variablesSizeBytes = firmware?.variables === undefined ? undefined : statSync(firmware.variables).size;
  return {
    declaration,
    memo: new Memo(),
    ...(variablesSizeBytes !== undefined && { variablesSizeBytes }),
    ...(firmware?.file !== undefined && { firmware: readNamed(firmware.file, "firmware") }),
    ...(snp?.svsm !== undefined && { svsm: readNamed(snp.svsm, "SVSM") }),
    ...(snp?.igvm !== undefined && { igvm: readNamed(snp.igvm, "IGVM file") }),
    ...(tdx?.ccel !== undefined && { ccel: readEventLog(readNamed(tdx.ccel, "event log").bytes) }),
    ...(variables && { variables }),
  };
}

function readVariables(path: string | undefined, supported: boolean): SecureBootVariables | undefined {
  if (path === undefined) return undefined;
  using source = openNamedFile(path, "variable store");
  return secureBootVariablesOf(readVariableStore(source), { supported });
}

function readNamed(path: string, what: NamedFile): NamedBytes {
  using source = openNamedFile(path, what);
  return { path, bytes: source.read(0, Math.min(source.sizeBytes, MAX_FILE_BYTES)) };
}
