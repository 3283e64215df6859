import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import { onTestFinished } from "vitest";
import { type LoadedProfile, loadProfile } from "./load.ts";
import type { LoadRequest } from "./load-request.ts";

/** A file's text; with a mode where that matters. */
export type FixtureFile = string | { text: string; mode: number };

/** Writes a configuration into a directory of its own, which is gone after the test. @returns the directory */
export function writeTree(files: Readonly<Record<string, FixtureFile>>): string {
  const directory = mkdtempSync(join(tmpdir(), "cvm-profile-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const [path, file] of Object.entries(files)) {
    const { text, mode } = typeof file === "string" ? { text: file, mode: 0o644 } : file;
    mkdirSync(join(directory, dirname(path)), { recursive: true });
    writeFileSync(join(directory, path), text);
    chmodSync(join(directory, path), mode);
  }
  return directory;
}

type FixtureRequest = Partial<Omit<LoadRequest, "settings">> & { settings?: readonly string[] };

/** Loads a configuration; settings of the command line are written `Name=value`. */
export function load(files: Readonly<Record<string, FixtureFile>>, request: FixtureRequest = {}): LoadedProfile {
  return loadFrom(writeTree(files), request);
}

/** Loads the configuration in a directory. */
export function loadFrom(directory: string, { settings = [], ...rest }: FixtureRequest = {}): LoadedProfile {
  return loadProfile({
    directory,
    profiles: [],
    settings: settings.map((setting) => {
      const [, name, value] = /^([^=]*)=([^]*)$/.exec(setting)!;
      return { name: name!, value: value! };
    }),
    hostArchitecture: "x86-64",
    ignoreUnsupported: false,
    invocationDirectory: "/work-dir",
    environment: {},
    ...rest,
  });
}

/** Gives the error that loading ends with. */
export function loadError(...args: Parameters<typeof load>): CvmError {
  try {
    load(...args);
  } catch (error) {
    if (error instanceof CvmError) return error;
    throw error;
  }
  throw new Error("loading did not fail");
}
