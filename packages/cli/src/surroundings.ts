import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { CvmError, type ReportProgress } from "@cvm-build/bytes";
import type { Surroundings } from "@cvm-build/image";
import { askSecretly } from "./ask-secretly.ts";
import type { Flags } from "./command.ts";
import { isSet, number, text } from "./flags.ts";

/** The one place where the process's directory, environment, clock and machine are read. */
export function surroundingsOf(
  flags: Flags,
  { report, signal }: { report: ReportProgress; signal: AbortSignal },
): Surroundings {
  const invocationDirectory = process.cwd();
  const environment = Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  return {
    directory: resolve(invocationDirectory, text(flags, "directory") ?? "."),
    invocationDirectory,
    cacheDirectory: resolve(invocationDirectory, text(flags, "cache-dir") ?? defaultCacheDirectory(environment)),
    configsDirectory: join(import.meta.dirname, "../../../configs"),
    environment,
    now: () => new Date(),
    randomBytes,
    hostArchitecture: hostArchitecture(),
    workers: number(flags, "jobs") || availableParallelism(),
    offline: isSet(flags, "offline"),
    secrets: { passphraseFile: text(flags, "passphrase-file"), ask: process.stdin.isTTY ? askSecretly : undefined },
    report,
    signal,
  };
}

function defaultCacheDirectory(environment: Readonly<Record<string, string>>): string {
  const { XDG_CACHE_HOME, HOME } = environment;
  if (XDG_CACHE_HOME) return join(XDG_CACHE_HOME, "cvm-build");
  if (HOME) return join(HOME, ".cache", "cvm-build");
  throw new CvmError(
    "usage",
    "cannot find the store: expected HOME or XDG_CACHE_HOME in the environment, got neither",
    {
      hint: "name a folder with --cache-dir DIR",
    },
  );
}

function hostArchitecture(): "x86-64" | "arm64" {
  return process.arch === "arm64" ? "arm64" : "x86-64";
}
