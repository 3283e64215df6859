import { join, resolve } from "node:path";
import { measureImage, type MeasureRequest } from "../examine.ts";
import type { Measurements } from "../measurements.ts";
import { replaceFile } from "../replace-file.ts";
import type { Surroundings } from "../surroundings.ts";
import { exportMeasurements } from "./export-measurements.ts";
import type { ExportReport, ExportRequest } from "./export-request.ts";

/** Reference values of an image, in formats that verifiers read. */
export interface ExportImageRequest {
  measure: MeasureRequest;
  export: ExportRequest;
  /** Where files go; nothing is written without. */
  outputDirectory?: string;
}

/** What was exported. */
export interface ImageExport extends Omit<ExportReport, "files"> {
  measurements: Measurements;
  files: { format: string; fileName: string; path?: string; bytes: Buffer }[];
}

/**
 * Measures an image on platforms and writes its reference values. Files are written once all of them are made.
 * @throws CvmError `export`, and as `measureImage`
 */
export async function exportImage(request: ExportImageRequest, surroundings: Surroundings): Promise<ImageExport> {
  const measurements = await measureImage(request.measure, surroundings);
  const { files, pinned, left } = await exportMeasurements(measurements, request.export);
  const { outputDirectory } = request;
  const folder = outputDirectory === undefined ? undefined : resolve(surroundings.invocationDirectory, outputDirectory);
  const placed = files.map((file) => ({ ...file, ...(folder !== undefined && { path: join(folder, file.fileName) }) }));
  for (const { path, bytes } of placed) {
    if (path !== undefined) replaceFile(path, bytes);
  }
  return { measurements, files: placed, pinned, left };
}
