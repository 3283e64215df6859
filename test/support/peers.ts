import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * Says whether all these programs are here. A missing one skips a test on a laptop and fails it under CI.
 * @throws Error under CI where one is missing
 */
export function requirePeers(...programs: string[]): boolean {
  const missing = programs.filter((program) => !isProgram(program));
  if (missing.length > 0 && process.env["CI"]) throw new Error(`peers missing under CI: ${missing.join(", ")}`);
  return missing.length === 0;
}

function isProgram(name: string): boolean {
  const directories = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return directories.some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
