import type { RegisterName } from "@cvm-build/measure";
import { exportError } from "./export-error.ts";
import type { PinnedPlatform, PinnedRegister, RegisterValue } from "./reference-values.ts";

/** More records than this are no reference values but a mistake. */
const MAX_COMBINATIONS = 256;

/** A register with one value. */
export interface SettledRegister {
  name: RegisterName;
  value: RegisterValue;
}

/**
 * Every choice of one legal value a register, for formats that have no "one of these": in the order of the values.
 * @throws CvmError `export` where there are too many
 */
export function combinations({ name, registers }: PinnedPlatform): SettledRegister[][] {
  const count = registers.reduce((product, { values }) => product * values.length, 1);
  if (count > MAX_COMBINATIONS) {
    throw exportError(`"${name}"`, {
      expected: `at most ${MAX_COMBINATIONS} combinations of register values`,
      got: String(count),
      hint: "float a register that has many values, or take a format that lists values by register",
    });
  }
  return registers.reduce<SettledRegister[][]>(
    (settled, register) =>
      settled.flatMap((choice) => register.values.map((value) => [...choice, { name: register.name, value }])),
    [[]],
  );
}

/** A register's only value, for formats that have no "one of these" and one record a platform. */
export function onlyValue(
  { name, values }: PinnedRegister,
  { platform, format }: { platform: string; format: string },
) {
  const [value, ...others] = values;
  if (value !== undefined && others.length === 0) return value;
  throw exportError(`${name} of "${platform}" as ${format}`, {
    expected: "one value, for the format has no lists",
    got: `${values.length} legal ones`,
    hint: `--float ${name}, or name a platform on which it has one value`,
  });
}

/** The digest of a value that is in one bank. */
export function digestOf(value: RegisterValue): string {
  return Object.values(value)[0] ?? "";
}

/** The index of `pcr4`, `rtmr1`. */
export function indexOf(name: RegisterName): number {
  return Number(/\d+$/.exec(name)?.[0]);
}
