import { statSync } from "node:fs";
import { bytesSource } from "@cvm-build/bytes";
import {
  type EventLog,
  type Ovmf,
  type Prediction,
  readEventLog,
  readOvmf,
  type SecureBootVariables,
  secureBootVariablesOf,
  type ShimStart,
} from "@cvm-build/measure";
import type { PlatformDeclaration } from "@cvm-build/profile";
import { readVariableStore } from "@cvm-build/uki";
import { Memo } from "./memo.ts";
import { type NamedFile, openNamedFile } from "../named-file.ts";

/** A platform with its files read. */
export interface ReadyPlatform {
  declaration: PlatformDeclaration;
  /** The file that the VMM maps below 4 GiB. */
  firmware?: NamedBytes & { ovmf: Ovmf };
  /** A raw SVSM below firmware and its variables. */
  svsm?: NamedBytes;
  igvm?: NamedBytes;
  /** systemd-boot or GRUB, and its configuration. */
  loader?: { file: NamedBytes; configuration?: NamedBytes };
  /** What firmware starts before the image or its loader. */
  shim?: ShimStart;
  /** The partition table of the disk that firmware boots from, or that there is none. */
  gpt?: Buffer | "none";
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

/** Why what a TEE says of firmware is open. */
export const NO_FIRMWARE =
  "depends on the firmware, and none was named: --firmware, or firmware: file: of the platform";

/** What of a prediction a TEE adds. */
export type TeePrediction = Pick<Prediction, "events" | "registers" | "unpredicted" | "alternatives">;

/** More than any VMM maps. */
const MAX_FILE_BYTES = 1 << 28;
/** 34 sectors, as every tool lays a table out. */
const PARTITION_TABLE_BYTES = 34 * 512;

/**
 * Reads the files that a platform names.
 * @param options.variableStore where the platform names none of its own
 * @throws CvmError `no-file`; FormatError where a file is not what it should be
 */
export async function readPlatform(
  declaration: PlatformDeclaration,
  { variableStore }: { variableStore?: string | undefined } = {},
): Promise<ReadyPlatform> {
  const { firmware: facts, snp, tdx, disk } = declaration;
  const firmware = facts?.file === undefined ? undefined : readNamed(facts.file, "firmware");
  const ovmf = firmware && (await readOvmf(firmware.bytes));
  const variables = readVariables(declaration, { variableStore, ovmf });
  const { partitions } = disk ?? {};
  return {
    declaration,
    memo: new Memo(),
    ...(firmware && ovmf && { firmware: { ...firmware, ovmf } }),
    ...(facts?.variables !== undefined && { variablesSizeBytes: statSync(facts.variables).size }),
    ...(snp?.svsm !== undefined && { svsm: readNamed(snp.svsm, "SVSM") }),
    ...(snp?.igvm !== undefined && { igvm: readNamed(snp.igvm, "IGVM file") }),
    ...(declaration.loader && { loader: readLoader(declaration.loader) }),
    ...(declaration.shim && { shim: readShim(declaration.shim) }),
    ...(tdx?.ccel !== undefined && { ccel: readEventLog(readNamed(tdx.ccel, "event log").bytes) }),
    ...(partitions !== undefined && { gpt: partitions === "none" ? partitions : readPartitions(partitions) }),
    ...(variables && { variables }),
  };
}

/** Which OVMF a platform has, as it says or as the file tells. */
export function firmwareRelease({ declaration, firmware }: ReadyPlatform): string | undefined {
  const { version, release } = firmware?.ovmf.build ?? {};
  return declaration.firmware?.release ?? (version || release);
}

function readVariables(
  { firmware: facts, tee }: PlatformDeclaration,
  { variableStore, ovmf }: { variableStore: string | undefined; ovmf: Ovmf | undefined },
): SecureBootVariables | undefined {
  const supported = facts?.secureBootSupport ?? ovmf?.build?.hasSecureBoot ?? true;
  const path = facts?.variables ?? variableStore;
  if (path !== undefined) return readStore(path, supported);
  if (facts?.noKeys === true) return { SecureBoot: Buffer.from(supported ? [0] : []) };
  // OVMF of a TD brings its variables, which are measured with it.
  return tee === "tdx" && ovmf?.build && facts?.file !== undefined ? readStore(facts.file, supported) : undefined;
}

function readStore(path: string, supported: boolean): SecureBootVariables {
  using source = openNamedFile(path, "variable store");
  return secureBootVariablesOf(readVariableStore(source), { supported });
}

function readLoader({ file, configuration }: NonNullable<PlatformDeclaration["loader"]>) {
  return {
    file: readNamed(file, "loader"),
    ...(configuration !== undefined && { configuration: readNamed(configuration, "loader") }),
  };
}

function readShim(shim: NonNullable<PlatformDeclaration["shim"]>): ShimStart {
  const { mokListTrusted, authority } = shim;
  const variable = (path: string) => readNamed(path, "variable").bytes;
  return {
    image: bytesSource(readNamed(shim.file, "shim").bytes),
    ...(shim.path !== undefined && { path: shim.path }),
    variables: {
      MokList: variable(shim.mokList),
      MokListX: variable(shim.mokListX),
      SbatLevel: variable(shim.sbatLevel),
      ...(mokListTrusted !== undefined && { MokListTrusted: variable(mokListTrusted) }),
    },
    ...(authority && {
      authority: {
        name: authority.name,
        ...(authority.vendor !== undefined && { vendor: authority.vendor }),
        data: variable(authority.data),
      },
    }),
  };
}

/** The first sectors of a disk: the protective table, the header, and 128 entries. */
function readPartitions(path: string): Buffer {
  using source = openNamedFile(path, "disk");
  return source.read(0, Math.min(source.sizeBytes, PARTITION_TABLE_BYTES));
}

function readNamed(path: string, what: NamedFile): NamedBytes {
  using source = openNamedFile(path, what);
  return { path, bytes: source.read(0, Math.min(source.sizeBytes, MAX_FILE_BYTES)) };
}
