import type { HashAlgorithm } from "@cvm-build/bytes";
import { pcrOf, type RegisterName } from "@cvm-build/measure";
import type { PlatformMeasurements } from "../measurements.ts";
import { exportError } from "./export-error.ts";
import { DEFAULT_PINS, EXPORT_FORMATS, type ExportFormat, type ExportFormatName } from "./export-formats.ts";
import type { ExportReport } from "./export-request.ts";
import type { PinnedPlatform, PinnedRegister, RegisterValue } from "./reference-values.ts";
import { traitsOf } from "./platform-traits.ts";
import { valuesByBank } from "../register-values.ts";
import { refuseWeakPins } from "./weak-pins.ts";

/** What a caller wants compared, and what not. */
export interface PinChoice {
  pin: readonly RegisterName[] | undefined;
  float: readonly RegisterName[];
}

/** A platform's registers that one format will hold, and what it will not. */
export interface Pinning {
  /** Undefined where the format cannot speak of the platform. */
  platform?: PinnedPlatform;
  left: ExportReport["left"];
}

/**
 * Chooses what a verifier is to compare on a platform: what is asked for or usual, is predicted, and fits the format.
 * @throws CvmError `export` where a register that is to be pinned has no value, or the rest would accept any image
 */
export function pinRegisters(
  measured: PlatformMeasurements,
  format: ExportFormatName,
  { pin, float }: PinChoice,
): Pinning {
  const row: ExportFormat = EXPORT_FORMATS[format];
  const traits = traitsOf(measured);
  const carried = row.carries(traits);
  const leave = (reason: string, register?: RegisterName) => ({
    format,
    platform: measured.name,
    ...(register !== undefined && { register }),
    reason,
  });
  if (carried.length === 0) return { left: [leave(`${format} is for: ${row.platforms}`)] };
  if (row.pins === "whole") return { platform: wholePlatform(measured, carried), left: [] };
  const usual = row.pins ?? DEFAULT_PINS;
  const always = pin ?? usual.always;
  const left: ExportReport["left"] = [];
  const registers: PinnedRegister[] = [];
  for (const name of pin ?? [...usual.always, ...usual.ifPredicted]) {
    if (!carried.includes(name)) {
      if (pin) left.push(leave(`${format} cannot hold it for this platform`, name));
      continue;
    }
    const values = legalValues(measured, name);
    const open = measured.unpredicted.find(({ register }) => register === name);
    if (float.includes(name)) left.push(leave("floated", name));
    else if (values.length > 0) registers.push({ name, values: inBank(values, { name, format, bank: row.pcrBank }) });
    else if (always.includes(name) && (open || pin)) throw valueless({ format, platform: measured.name, name, open });
    else left.push(leave(open?.reason ?? "nothing extends it on this platform", name));
  }
  registers.sort((a, b) => carried.indexOf(a.name) - carried.indexOf(b.name));
  const platform = pinnedPlatform(measured, registers);
  refuseWeakPins(platform, format);
  return { platform, left };
}

/** All that is predicted, as it is. */
function wholePlatform(measured: PlatformMeasurements, carried: readonly RegisterName[]): PinnedPlatform {
  const all = carried.map((name) => ({ name, values: legalValues(measured, name) }));
  const registers = all.filter(({ values }) => values.length > 0);
  return pinnedPlatform(measured, registers);
}

function pinnedPlatform(measured: PlatformMeasurements, registers: readonly PinnedRegister[]): PinnedPlatform {
  const { name, events, owner, unmeasured = [] } = measured;
  return { name, traits: traitsOf(measured), registers, events, unmeasured, ...(owner && { owner }) };
}

/** The values that a register may legally have: none where it is not predicted. */
function legalValues({ registers, alternatives }: PlatformMeasurements, name: RegisterName): RegisterValue[] {
  const several = alternatives?.find(({ register }) => register === name);
  if (several) return several.values.every((value) => Object.keys(value).length > 0) ? several.values : [];
  const value = valuesByBank(registers, name);
  return Object.keys(value).length === 0 ? [] : [value];
}

/** PCR values in the one bank of a format, where it has but one. */
function inBank(
  values: readonly RegisterValue[],
  { name, format, bank }: { name: RegisterName; format: ExportFormatName; bank: HashAlgorithm | undefined },
): RegisterValue[] {
  if (bank === undefined || pcrOf(name) === undefined) return [...values];
  return values.map((value) => {
    const { [bank]: digest } = value;
    if (digest !== undefined) return { [bank]: digest };
    throw exportError(`${name} as ${format}`, {
      expected: `a value in bank ${bank}`,
      got: `one in ${Object.keys(value).join(", ")}`,
      hint: `add ${bank} to Measure.Banks=, or measure with --bank ${bank}`,
    });
  });
}

function valueless(missing: {
  format: ExportFormatName;
  platform: string;
  name: RegisterName;
  open: { reason: string } | undefined;
}) {
  const { format, platform, name, open } = missing;
  return exportError(`${name} of "${platform}" as ${format}`, {
    expected: "a predicted value",
    got: `none: ${open?.reason ?? "it is no register of this platform, or nothing extends it"}`,
    hint:
      name === "mrtd"
        ? "RTMRs are worth nothing without it: name the firmware that the machine starts from"
        : `--float ${name} leaves it to the host; docs/exports.md says what that allows`,
  });
}
