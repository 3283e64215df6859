import type { Verity } from "./reader.ts";

/** A hash device as text, one `name = value` line each. */
export function dumpVerity(verity: Verity): string {
  const { salt, ...rest } = verity;
  const lines = Object.entries({ ...rest, salt: salt.toString("hex") || "-" });
  return lines.map(([name, value]) => `${name} = ${value}\n`).join("");
}
