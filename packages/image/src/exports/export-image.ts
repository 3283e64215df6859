import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import { readInput } from "../evidence/input.ts";
import { measureImage, type MeasureRequest } from "../examine.ts";
import type { Measurements } from "../measurements.ts";
import { readMeasurements } from "../read-measurements.ts";
import { replaceFile } from "../replace-file.ts";
import { signerOptions } from "../signing.ts";
import type { Surroundings } from "../surroundings.ts";
import { exportMeasurements } from "./export-measurements.ts";
import type { ExportReport, ExportRequest } from "./export-request.ts";
import type { IdBlockFields } from "./reference-values.ts";

/** Reference values of an image, in formats that verifiers read. */
export interface ExportImageRequest {
  /** What to measure; an image's folder or a `measurements.json` stands for what its build measured. */
  measure: MeasureRequest;
  export: Omit<ExportRequest, "platforms" | "signer" | "idBlock"> & { idBlock?: Omit<IdBlockFields, "authorKey"> };
  /** Where files go; nothing is written without. */
  outputDirectory?: string;
  /** Signs what can be signed, as `openSigner` has it. */
  key?: string;
  /** Speaks for the key that signs ID blocks. */
  authorKey?: string;
}

/** What was exported. */
export interface ImageExport extends Omit<ExportReport, "files"> {
  measurements: Measurements;
  files: { format: string; fileName: string; path?: string; bytes: Buffer }[];
}

/**
 * Measures an image on platforms, or reads what its build measured, and writes its reference values. Files are written once
 * all of them are made.
 * @throws CvmError `export`, `signer`, and as `measureImage`; FormatError
 */
export async function exportImage(request: ExportImageRequest, surroundings: Surroundings): Promise<ImageExport> {
  const { outputDirectory, key, authorKey } = request;
  const { measurements, platforms } = await measured(request.measure, surroundings);
  const values = { ...request.export, ...(platforms.length > 0 && { platforms }) };
  await using signer = key === undefined ? undefined : await open(key, surroundings);
  await using author = authorKey === undefined ? undefined : await open(authorKey, surroundings);
  const { files, pinned, left } = await exportMeasurements(measurements, {
    ...values,
    ...(signer && { signer }),
    idBlock: { ...values.idBlock, ...(author && { authorKey: author }) },
  });
  const folder = outputDirectory === undefined ? undefined : resolve(surroundings.invocationDirectory, outputDirectory);
  const placed = files.map((file) => ({ ...file, ...(folder !== undefined && { path: join(folder, file.fileName) }) }));
  for (const { path, bytes } of placed) {
    if (path !== undefined) replaceFile(path, bytes);
  }
  return { measurements, files: placed, pinned, left };
}

/** What is measured, and which of its platforms are wanted; all where none is named. */
async function measured(
  request: MeasureRequest,
  surroundings: Surroundings,
): Promise<{ measurements: Measurements; platforms: readonly string[] }> {
  const document = documentOf(resolve(surroundings.invocationDirectory, request.image));
  if (document === undefined) return { measurements: await measureImage(request, surroundings), platforms: [] };
  requirePlain(request);
  const measurements = readMeasurements(readInput(document, "measurements", surroundings).toString("utf8"));
  return { measurements, platforms: request.platforms };
}

/** The document that a path stands for, or undefined for an image. */
function documentOf(path: string): string | undefined {
  if (path.endsWith(".json")) return path;
  const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  return isDirectory ? join(path, "measurements.json") : undefined;
}

/** What is measured already cannot be measured otherwise. */
function requirePlain({ image, variations, phases, banks, ...request }: MeasureRequest): void {
  const { initrd, commandLine, firmware, variableStore } = request;
  const lists = [phases, banks, ...Object.values(variations ?? {})];
  const given = initrd ?? commandLine ?? firmware ?? variableStore;
  if (given === undefined && lists.every((values) => values.length === 0)) return;
  throw new CvmError("usage", `cannot measure "${image}" anew: expected an image, got what its build measured`, {
    hint: "name the .efi beside it, or leave out phases, banks, firmware and machine",
  });
}

async function open(key: string, surroundings: Surroundings) {
  const { openSigner } = await import("@cvm-build/uki");
  return openSigner(key, signerOptions(surroundings));
}
