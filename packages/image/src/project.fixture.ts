import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Profile } from "@cvm-build/profile";
import { loadSelection } from "./selection.ts";
import type { Surroundings } from "./surroundings.ts";

/** A folder of profiles for one test, gone when disposed of. */
export interface Project extends Disposable {
  path: string;
  surroundings: Surroundings;
  /** Writes a file, its folders included, and gives its absolute path. */
  write(name: string, text: string): string;
  load(): Profile;
}

/** Makes a folder with the given files; `cvm.conf` is what `load` reads. */
export function makeProject(files: Readonly<Record<string, string>>): Project {
  const path = mkdtempSync(join(tmpdir(), "cvm-image-"));
  const surroundings: Surroundings = {
    directory: path,
    invocationDirectory: path,
    cacheDirectory: join(path, "store"),
    configsDirectory: join(path, "configs"),
    environment: {},
    now: () => new Date(0),
    randomBytes: (sizeBytes) => new Uint8Array(sizeBytes),
    hostArchitecture: "x86-64",
    workers: 1,
    offline: true,
    secrets: {},
    report: () => {},
  };
  const project: Project = {
    path,
    surroundings,
    write(name, text) {
      const file = join(path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
      return file;
    },
    load: () => loadSelection({ profiles: [], settings: [], ignoreUnsupported: false }, surroundings).profile,
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
  for (const [name, text] of Object.entries(files)) project.write(name, text);
  return project;
}
