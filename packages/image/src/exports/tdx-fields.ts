import { exportError } from "./export-error.ts";
import type { TdxFields } from "./reference-values.ts";

/** @see Intel TDX DCAP Quoting Library API, A.3.2, "TD Quote Body" */
const SIZE_BYTES = {
  teeTcbSvn: 16,
  mrSeam: 48,
  tdAttributes: 8,
  xfam: 8,
  mrConfigId: 48,
  mrOwner: 48,
  mrOwnerConfig: 48,
} as const satisfies Record<keyof TdxFields, number>;

/**
 * A field of a TD report as lower-case hex.
 * @throws CvmError `export` where it is not given or has another size
 */
export function tdxField(fields: TdxFields, name: keyof TdxFields): string {
  const hex = fields[name];
  const sizeBytes = SIZE_BYTES[name];
  if (hex !== undefined && hex.length === 2 * sizeBytes && /^[0-9a-f]+$/i.test(hex)) return hex.toLowerCase();
  throw exportError(`TD report field ${name}`, {
    expected: `${sizeBytes} bytes as hex`,
    got: hex ?? "nothing",
    hint: "copy it from a quote of the machine type, in the order of its bytes there: --tdx FIELD=HEX",
  });
}
