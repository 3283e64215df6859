import { canonicalJson } from "@cvm-build/bytes";
import type { EncodeExport } from "./reference-values.ts";

/** Writes `measurements.json` as a build does: everything, whatever is pinned. */
export const encodeCvmBuild: EncodeExport = ({ measurements }) => [
  { fileName: "measurements.json", bytes: Buffer.from(canonicalJson(measurements)) },
];
