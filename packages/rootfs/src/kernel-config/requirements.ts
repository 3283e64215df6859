import { CvmError } from "@cvm-build/bytes";

/** What of a kernel an image may need, by the names of `configs/kernel-requirements.json`. */
export const KERNEL_FEATURES = [
  "uki",
  "initrd",
  "initrd-gzip",
  "initrd-zstd",
  "modules",
  "script-init",
  "systemd",
  "disk",
  "gpt",
  "fat",
  "loop",
  "erofs",
  "erofs-compressed",
  "erofs-zstd",
  "verity",
  "verity-by-kernel",
  "verity-sha512",
  "verity-signature",
  "overlay",
  "pmem",
] as const;
export type KernelFeature = (typeof KERNEL_FEATURES)[number];

/** A symbol of a kernel's configuration. */
export interface KernelNeed {
  /** Without `CONFIG_`. */
  symbol: string;
  /** The kernel's name of the module that it may be; built in or not there at all where absent. */
  module?: string;
  /** What it does for an image, in a few words. */
  why: string;
}

/** For each feature what it needs: of each group one. */
export type KernelRequirements = Readonly<Record<KernelFeature, readonly (readonly KernelNeed[])[]>>;

const SCHEMA = "cvm-build.kernel-requirements/1";

/**
 * Parses `configs/kernel-requirements.json`.
 * @throws CvmError `kernel-config` where it is no such file
 */
export function parseKernelRequirements(text: string): KernelRequirements {
  const { schema, features } = asObject(parseJson(text), "the file");
  if (schema !== SCHEMA) throw unreadable(`expected schema "${SCHEMA}", got ${JSON.stringify(schema)}`);
  const table = asObject(features, "features");
  const unknown = Object.keys(table).find((name) => !KERNEL_FEATURES.includes(name as KernelFeature));
  if (unknown !== undefined) throw unreadable(`expected no feature ${JSON.stringify(unknown)}`);
  const entries = KERNEL_FEATURES.map((name) => [name, asList(table[name], name).map((need) => asGroup(need, name))]);
  return Object.fromEntries(entries) as KernelRequirements;
}

function asGroup(value: unknown, feature: string): KernelNeed[] {
  const { anyOf } = asObject(value, feature);
  return (anyOf === undefined ? [value] : asList(anyOf, feature)).map((need) => asNeed(need, feature));
}

function asNeed(value: unknown, feature: string): KernelNeed {
  const { symbol, module, why, ...rest } = asObject(value, feature);
  const isText = typeof symbol === "string" && typeof why === "string" && /^[A-Z0-9_]+$/.test(symbol);
  const isModule = module === undefined || (typeof module === "string" && /^[a-z0-9_]+$/.test(module));
  if (!isText || !isModule || Object.keys(rest).length > 0) {
    throw unreadable(`expected symbol, why and perhaps module in ${feature}, got ${JSON.stringify(value)}`);
  }
  return { symbol, why, ...(module === undefined ? {} : { module }) };
}

function asObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw unreadable(`expected ${what} to be an object`);
}

function asList(value: unknown, what: string): unknown[] {
  if (Array.isArray(value) && value.length > 0) return value;
  throw unreadable(`expected a list for ${what}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unreadable("expected JSON", cause);
  }
}

function unreadable(problem: string, cause?: unknown): CvmError<"kernel-config"> {
  return new CvmError("kernel-config", `cannot read kernel requirements: ${problem}`, { cause });
}
