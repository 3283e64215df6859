import { existsSync } from "node:fs";
import { dirname, join, parse } from "node:path";

/** Name of the variable store beside an image that was measured with one. */
export function variableStoreName(imageId: string): string {
  return `${imageId}.vars.fd`;
}

/** The variable store beside a UKI, or undefined where there is none. */
export function variableStoreBeside(ukiPath: string): string | undefined {
  const path = join(dirname(ukiPath), variableStoreName(parse(ukiPath).name));
  return existsSync(path) ? path : undefined;
}
