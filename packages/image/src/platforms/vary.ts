import { CvmError } from "@cvm-build/bytes";
import type { PlatformDeclaration } from "@cvm-build/profile";
import type { ReadyPlatform } from "./ready-platform.ts";

/** What of a machine is to take each of several values. */
export interface Variations {
  memoryBytes?: readonly number[];
  cpus?: readonly number[];
  /** Of QEMU. */
  versions?: readonly string[];
  cpuModels?: readonly string[];
}

type Machine = PlatformDeclaration["machine"];

/** More machines than anybody reads. */
const MAX_CELLS = 1 << 16;
const MIB = 1 << 20;

/**
 * The machines of a matrix: each combination of the values, under the platform's name with what was varied.
 * @throws CvmError `usage` where there are too many
 */
export function varyPlatform(platform: ReadyPlatform, variations: Variations): ReadyPlatform[] {
  const axes = [
    axis(variations.memoryBytes, (memoryBytes) => [`${memoryBytes / MIB}M`, { memoryBytes }]),
    axis(variations.cpus, (cpus) => [`${cpus}cpus`, { cpus }]),
    axis(variations.versions, (version) => [version, { version }]),
    axis(variations.cpuModels, (cpuModel) => [cpuModel, { cpuModel }]),
  ];
  const cells = axes.reduce((product, { length }) => product * length, 1);
  if (cells > MAX_CELLS) {
    throw new CvmError("usage", `cannot predict ${cells} machines: expected at most ${MAX_CELLS}`);
  }
  return axes.reduce<ReadyPlatform[]>(
    (platforms, values) => platforms.flatMap((each) => values.map((value) => varied(each, value))),
    [platform],
  );
}

/** A value's name, empty where a single one needs none, and what it is of a machine. */
type Value = readonly [name: string, machine: Partial<Machine>];

function axis<T>(values: readonly T[] | undefined, valueOf: (value: T) => Value): readonly Value[] {
  if (values === undefined || values.length === 0) return [["", {}]];
  const named = values.map(valueOf);
  return named.length === 1 ? named.map(([, machine]) => ["", machine] as const) : named;
}

function varied(platform: ReadyPlatform, [suffix, machine]: Value): ReadyPlatform {
  const { declaration } = platform;
  return {
    ...platform,
    declaration: {
      ...declaration,
      name: suffix === "" ? declaration.name : `${declaration.name}+${suffix}`,
      machine: { ...declaration.machine, ...machine },
    },
  };
}
