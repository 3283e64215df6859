import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import {
  certificateList,
  enrolledVariables,
  generateKeySet,
  generatePcrKey,
  type KeyAlgorithm,
  type KeyFile,
  writeVariableStore,
} from "@cvm-build/uki";
import { openNamedFile } from "./named-file.ts";
import { explainWriteFailure } from "./output.ts";
import { readAllCertificates } from "./signing.ts";
import type { Surroundings } from "./surroundings.ts";

/** A set of keys to make. */
export interface KeysRequest {
  /** Folder that they are put in; made where it is missing. */
  output: string;
  algorithm: KeyAlgorithm;
  /** Whose keys they are, for people: `Example` gives certificates of `Example db` and so on. */
  name: string;
  /** GUID of the owner in firmware's variables; a random one unless given. */
  owner?: string;
  validYears: number;
  /** An empty variable store of OVMF's, such as OVMF_VARS_4M.fd, to enrol the keys into. */
  variableStore?: string;
  /** Files of other people's certificates, whose images the machine is to start too. */
  dbCertificates: string[];
}

/** What was made. */
export interface KeysReport {
  directory: string;
  owner: string;
  /** Names of the files; private keys can be read by their owner alone. */
  files: { name: string; private: boolean }[];
}

/** Name of the variable store in which the keys are enrolled. */
const ENROLLED_STORE = "OVMF_VARS.fd";

/**
 * Makes the keys of Secure Boot and of PCR policies, with what enrols them. Nothing is written over another file.
 * @throws CvmError `secure-boot`, `output`, `no-file`; FormatError for a variable store that is none
 */
export async function makeKeys(request: KeysRequest, surroundings: Surroundings): Promise<KeysReport> {
  const { invocationDirectory, now, randomBytes } = surroundings;
  const notBefore = wholeSecond(now());
  const notAfter = new Date(notBefore);
  notAfter.setUTCFullYear(notBefore.getUTCFullYear() + request.validYears);
  const owner = request.owner ?? randomGuid(randomBytes);
  const others = await readAllCertificates(request.dbCertificates, surroundings);
  const { files, variables } = await generateKeySet({
    algorithm: request.algorithm,
    names: { PK: `${request.name} PK`, KEK: `${request.name} KEK`, db: `${request.name} db` },
    notBefore,
    notAfter,
    owner,
    randomBytes,
    more: { db: others.map(({ raw }) => certificateList({ owner, der: raw })) },
  });
  const all: KeyFile[] = [...files, ...(await generatePcrKey())];
  if (request.variableStore !== undefined) {
    using template = openNamedFile(resolve(invocationDirectory, request.variableStore), "variable store");
    const content = writeVariableStore(template, enrolledVariables(variables, notBefore));
    all.push({ name: ENROLLED_STORE, content, mode: 0o644 });
  }
  const directory = resolve(invocationDirectory, request.output);
  writeKeyFiles(directory, all);
  return { directory, owner, files: all.map(({ name, mode }) => ({ name, private: mode === 0o600 })) };
}

/** Writes all files or, where one is there already, none. */
function writeKeyFiles(directory: string, files: readonly KeyFile[]): void {
  const written: string[] = [];
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const { name, content, mode } of files) {
      const path = join(directory, name);
      const descriptor = openSync(path, "wx", mode);
      written.push(path);
      try {
        writeFileSync(descriptor, content, { flush: true });
      } finally {
        closeSync(descriptor);
      }
    }
  } catch (error) {
    for (const path of written) rmSync(path, { force: true });
    const { code, path } = error as NodeJS.ErrnoException;
    if (code !== "EEXIST") throw explainWriteFailure(error);
    throw new CvmError("output", `cannot write "${path ?? directory}": expected nothing there, got a file`, {
      hint: "keys are never replaced: choose another folder",
      cause: error,
    });
  }
}

/** What certificates and variables can hold. */
function wholeSecond(time: Date): Date {
  return new Date(Math.floor(time.getTime() / 1000) * 1000);
}

/** @see RFC 9562, section 5.4, "UUID Version 4" */
function randomGuid(randomBytes: Surroundings["randomBytes"]): string {
  const hex = Buffer.from(randomBytes(16)).toString("hex");
  const variant = "89ab"[Number.parseInt(hex.charAt(16), 16) & 3] ?? "8";
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, variant + hex.slice(17, 20), hex.slice(20)].join(
    "-",
  );
}
