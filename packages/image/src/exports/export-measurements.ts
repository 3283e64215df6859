import type { RegisterName } from "@cvm-build/measure";
import type { Measurements, PlatformMeasurements } from "../measurements.ts";
import { exportError } from "./export-error.ts";
import { EXPORT_FORMATS, type ExportFormatName } from "./export-formats.ts";
import type { ExportReport, ExportRequest } from "./export-request.ts";
import type { PinnedPlatform } from "./reference-values.ts";
import { type PinChoice, pinRegisters } from "./pin-registers.ts";
import { isRegisterName } from "./register-names.ts";

/** What a file may be named after. */
const FILE_NAME_PART = /^[A-Za-z0-9][A-Za-z0-9._+-]*$/;

/**
 * Writes the reference values of an image in formats that verifiers read. The same measurements and request give the same
 * bytes, except where `signer` makes signatures that differ.
 * @throws CvmError `export` where a format could hold nothing, a register that is to be pinned has no value, or what is left
 *   would have a verifier accept any image
 */
export async function exportMeasurements(measurements: Measurements, request: ExportRequest): Promise<ExportReport> {
  const platforms = namedPlatforms(measurements, request.platforms);
  for (const name of [measurements.image.id, ...platforms.map((platform) => platform.name)]) requireFileName(name);
  const choice: PinChoice = {
    pin: request.pin && registerNames(request.pin),
    float: registerNames(request.float ?? []),
  };
  const report: ExportReport = { files: [], pinned: [], left: [] };
  for (const format of new Set(request.formats)) {
    const pinned = pinAll(platforms, { image: measurements.image.id, format, choice, report });
    const encode = await EXPORT_FORMATS[format].load();
    const files = await encode({ measurements, platforms: pinned }, request);
    report.files.push(...files.map((file) => ({ format, ...file })));
  }
  return report;
}

function pinAll(
  platforms: readonly PlatformMeasurements[],
  options: { image: string; format: ExportFormatName; choice: PinChoice; report: ExportReport },
): PinnedPlatform[] {
  const { image, format, choice, report } = options;
  const pinnings = platforms.map((platform) => pinRegisters(platform, format, choice));
  report.left.push(...pinnings.flatMap(({ left }) => left));
  const pinned = pinnings.flatMap(({ platform }) => platform ?? []);
  if (pinned.length === 0) {
    throw exportError(`"${image}" as ${format}`, {
      expected: `a platform that it is for (${EXPORT_FORMATS[format].platforms})`,
      got: platforms.map(({ name }) => name).join(", ") || "none",
      hint: "measure for such a platform, or choose another format; docs/exports.md has the table",
    });
  }
  for (const { name, registers } of pinned) {
    report.pinned.push({ format, platform: name, registers: registers.map((register): RegisterName => register.name) });
  }
  return pinned;
}

/** The platforms that are asked for, in the order of the document. */
function namedPlatforms({ platforms }: Measurements, names: readonly string[] | undefined): PlatformMeasurements[] {
  const unknown = names?.find((name) => !platforms.some((platform) => platform.name === name));
  if (unknown !== undefined) {
    throw exportError(`platform "${unknown}"`, {
      expected: "one that is measured",
      got: `none of ${platforms.map(({ name }) => name).join(", ")}`,
      hint: `measure it with --platform ${unknown}`,
    });
  }
  return names ? platforms.filter(({ name }) => names.includes(name)) : platforms;
}

function registerNames(names: readonly string[]): RegisterName[] {
  return names.map((name) => {
    if (isRegisterName(name)) return name;
    throw exportError(`register "${name}"`, {
      expected: "the name of a register",
      got: "another",
      hint: "registers are pcr0 to pcr23, mrtd, rtmr0 to rtmr3, launchDigest",
    });
  });
}

/** A document from elsewhere must not choose where files go. */
function requireFileName(name: string): void {
  if (FILE_NAME_PART.test(name)) return;
  throw exportError("measurements", {
    expected: "a name of letters, digits, dots, dashes and underscores",
    got: JSON.stringify(name),
    hint: "rename the image or platform",
  });
}
