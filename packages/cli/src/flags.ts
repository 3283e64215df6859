import type { LockPolicy, ProfileSelection } from "@cvm-build/image";
import { CvmError } from "@cvm-build/bytes";
import type { Argv } from "yargs";
import type { Flags } from "./command.ts";

/** Flags that every command has. */
export function globalFlags(parser: Argv): Argv {
  return parser
    .option("directory", {
      alias: "C",
      type: "string",
      requiresArg: true,
      describe: "Where the profiles are",
      default: ".",
    })
    .option("json", { type: "boolean", describe: "One JSON document on standard output", default: false })
    .option("quiet", { alias: "q", type: "boolean", describe: "No progress", default: false })
    .option("color", { type: "boolean", describe: "Colours (--no-color: none)" })
    .option("cache-dir", {
      type: "string",
      requiresArg: true,
      describe: "The store [default: $XDG_CACHE_HOME/cvm-build]",
    })
    .option("offline", { type: "boolean", describe: "Use no network", default: false })
    .option("jobs", {
      alias: "j",
      type: "number",
      requiresArg: true,
      describe: "Worker threads [default: one a core]",
    });
}

/** Flags of the commands that read profiles. */
export function profileFlags(parser: Argv): Argv {
  return parser
    .option("profile", {
      alias: "p",
      type: "string",
      array: true,
      nargs: 1,
      describe: "A profile below profiles/; several stack in order",
      default: [],
    })
    .option("set", {
      alias: "s",
      type: "string",
      array: true,
      nargs: 1,
      describe: "A setting on top of the files: Section.Name=value",
      default: [],
    })
    .option("ignore-unsupported", {
      type: "boolean",
      describe: "List mkosi settings that cvm-build does not have, and go on without them",
      default: false,
    });
}

/** Flags of the commands that use private keys. */
export function keyFlags(parser: Argv): Argv {
  return parser.option("passphrase-file", {
    type: "string",
    requiresArg: true,
    describe: "A file with the passphrase or PIN of the keys [default: asked for on the terminal]",
  });
}

/** Flags of the commands that need a lock. */
export function lockFlags(parser: Argv): Argv {
  return parser
    .option("lock", { type: "string", requiresArg: true, describe: "A lock to use in place of the profile's" })
    .option("locked", { type: "boolean", describe: "Refuse to resolve [default in CI, for profiles with a lock]" })
    .option("update", { type: "boolean", describe: "Resolve afresh", default: false });
}

/** Flags of the commands that read artefacts. */
export function artifactFlags(parser: Argv): Argv {
  return parser.option("artifact", {
    type: "string",
    array: true,
    nargs: 1,
    describe: "A file that stands in for an artefact: NAME=PATH",
    default: [],
  });
}

/** A flag with text, or undefined. Of several, the last counts. */
export function text(flags: Flags, name: string): string | undefined {
  const value = lastOf(flags[name]);
  return typeof value === "string" ? value : undefined;
}

function lastOf(value: unknown): unknown {
  return Array.isArray(value) ? value.at(-1) : value;
}

/** All values of a flag that may be given several times. */
export function texts(flags: Flags, name: string): string[] {
  const value = flags[name];
  return Array.isArray(value) ? value.map(String) : [];
}

/** Whether a switch is on. */
export function isSet(flags: Flags, name: string): boolean {
  return flags[name] === true;
}

/**
 * A flag with a whole number, or undefined.
 * @throws CvmError `usage`
 */
export function number(flags: Flags, name: string): number | undefined {
  const value = lastOf(flags[name]);
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new CvmError("usage", `cannot read flag "--${name}": expected a whole number, got ${String(value)}`);
}

/** The profiles and settings that the flags select. */
export function selectionOf(flags: Flags): ProfileSelection {
  return {
    profiles: texts(flags, "profile"),
    settings: texts(flags, "set").map((assignment) => {
      const [name, value] = splitAssignment(assignment, "--set");
      return { name, value };
    }),
    ignoreUnsupported: isSet(flags, "ignore-unsupported"),
  };
}

/** Which lock the flags allow. */
export function lockPolicyOf(flags: Flags): LockPolicy {
  const lockFile = text(flags, "lock");
  return {
    ...(lockFile !== undefined && { lockFile }),
    locked: isSet(flags, "locked"),
    update: isSet(flags, "update"),
  };
}

/** Files that stand in for artefacts, by name. */
export function artifactsOf(flags: Flags): ReadonlyMap<string, string> {
  return new Map(texts(flags, "artifact").map((assignment) => splitAssignment(assignment, "--artifact")));
}

function splitAssignment(assignment: string, flag: string): [name: string, value: string] {
  const at = assignment.indexOf("=");
  if (at > 0) return [assignment.slice(0, at), assignment.slice(at + 1)];
  throw new CvmError("usage", `cannot read flag "${flag}": expected NAME=VALUE, got ${JSON.stringify(assignment)}`);
}
