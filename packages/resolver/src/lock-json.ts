import { canonicalJson, compareCodeUnits, CvmError, isSha256Hex, type Sha256Hex } from "@cvm-build/bytes";
import type { Lock, LockedArtifact, LockedDistribution, LockedPackage, LockedRepository } from "./lock.ts";
import type { ResolverErrorCode } from "./resolution.ts";

/** The lock as canonical JSON: equal locks give equal bytes, whatever order their lists were in. */
export function encodeLock(lock: Lock): string {
  return canonicalJson({
    ...lock,
    packages: [...lock.packages].sort(comparePackages),
    artifacts: [...lock.artifacts].sort((a, b) => compareCodeUnits(a.name, b.name)),
  });
}

/**
 * Parses and checks a lock. Every field must be there and be what it claims to be; no other may be.
 * @param file what to call the lock in errors
 * @throws CvmError `lock`, naming the path inside the JSON
 */
export function parseLock(text: string, { file }: { file: string }): Lock {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const message = `cannot parse lock "${file}": expected JSON, got ${(cause as Error).message}`;
    throw new CvmError<ResolverErrorCode>("lock", message, { cause, hint: RENEW, details: { file } });
  }
  return readLock({ file, path: "", value: json });
}

const RENEW = "write the lock anew with `cvm-build lock --update`";

/** A value inside the JSON, and where it stands: `.packages[3].sha256`. */
interface Place {
  file: string;
  path: string;
  value: unknown;
}

type Reader<Value> = (place: Place) => Value;
type Readers<Value> = { [Key in keyof Value]-?: Reader<Value[Key]> };

/** Reads an object that has just the fields that `readers` names. */
function object<Value>(readers: Readers<Value>): Reader<Value> {
  return (place) => {
    const { value } = place;
    if (value === null || typeof value !== "object" || Array.isArray(value)) throw wrong(place, "an object");
    const fields = value as Record<string, unknown>;
    const unknown = Object.keys(fields).find((key) => !Object.hasOwn(readers, key));
    if (unknown !== undefined) throw wrong(at(place, `.${unknown}`, fields[unknown]), "no such field");
    const entries = Object.entries<Reader<unknown>>(readers).flatMap(([key, read]) => {
      const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
      const found = read(at(place, `.${key}`, field));
      return found === undefined ? [] : [[key, found] as const];
    });
    return Object.fromEntries(entries) as Value;
  };
}

/** Reads a field that need not be there. */
function optional<Value>(read: Reader<Value>): Reader<Value | undefined> {
  return (place) => (place.value === undefined ? undefined : read(place));
}

function list<Value>(read: Reader<Value>): Reader<Value[]> {
  return (place) => {
    if (!Array.isArray(place.value)) throw wrong(place, "a list");
    return place.value.map((item: unknown, index) => read(at(place, `[${index}]`, item)));
  };
}

/** A list in which each item sorts after the one before, so that none is there twice. */
function sortedList<Value>(read: Reader<Value>, compare: (a: Value, b: Value) => number): Reader<Value[]> {
  return (place) => {
    const items = list(read)(place);
    for (const [index, item] of items.entries()) {
      const earlier = items[index - 1];
      if (earlier === undefined || compare(earlier, item) < 0) continue;
      throw wrong(at(place, `[${index}]`, item), "items in order, each once");
    }
    return items;
  };
}

function pattern(expression: RegExp, expected: string): Reader<string> {
  return (place) => {
    if (typeof place.value !== "string" || !expression.test(place.value)) throw wrong(place, expected);
    return place.value;
  };
}

function oneOf<const Value extends string>(...values: Value[]): Reader<Value> {
  return (place) => {
    const found = values.find((value) => value === place.value);
    if (found === undefined) throw wrong(place, values.map((value) => `"${value}"`).join(" or "));
    return found;
  };
}

const count: Reader<number> = (place) => {
  if (!Number.isSafeInteger(place.value) || (place.value as number) < 0) throw wrong(place, "a whole number");
  return place.value as number;
};

const sha256: Reader<Sha256Hex> = (place) => {
  if (typeof place.value !== "string" || !isSha256Hex(place.value)) throw wrong(place, "64 lower-case hex digits");
  return place.value;
};

const text = pattern(/^\P{Cc}+$/u, "a text without control characters");
const packageName = pattern(/^[a-z0-9][a-z0-9+._-]*$/, "a package name");
const packageVersion = pattern(/^[A-Za-z0-9.+:~_-]+$/, "a version");
const architecture = pattern(/^[a-z0-9][a-z0-9-]*$/, "an architecture");
const suite = pattern(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/, "a suite");
/** Never absolute and never out of the archive: it becomes part of an address. */
const archivePath = pattern(/^(?!\/)(?!(?:.*\/)?\.\.(?:\/|$))[^\p{Cc}\\]+$/u, "a path below the archive");
const date = pattern(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/, "a date such as 2026-05-28T08:49:23Z");
const fingerprint = pattern(/^[0-9A-F]{40}(?:[0-9A-F]{24})?$/, "a fingerprint in upper-case hex");

const readLock = object<Lock>({
  schema: oneOf("cvm-build.lock/1"),
  requestSha256: sha256,
  distribution: object<LockedDistribution>({ id: oneOf("debian"), release: suite, architecture }),
  repositories: list(
    object<LockedRepository>({
      suite,
      components: list(pattern(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/, "a component")),
      archive: oneOf("main", "security"),
      inReleaseSha256: sha256,
      date,
      signedBy: list(fingerprint),
    }),
  ),
  packages: sortedList(
    object<LockedPackage>({
      name: packageName,
      version: packageVersion,
      architecture,
      role: oneOf("image", "initrd", "stub"),
      repository: text,
      path: archivePath,
      sizeBytes: count,
      sha256,
      source: object({ name: packageName, version: packageVersion }),
      requestedBy: list(text),
    }),
    comparePackages,
  ),
  artifacts: sortedList(
    object<LockedArtifact>({
      name: text,
      kind: oneOf("path", "https", "npm", "deb"),
      from: text,
      sha256,
    }),
    (a, b) => compareCodeUnits(a.name, b.name),
  ),
  tools: object<Lock["tools"]>({ zstd: text, segmentFormat: count, erofsFormat: optional(count) }),
});

function comparePackages(a: LockedPackage, b: LockedPackage): number {
  return (
    compareCodeUnits(a.role, b.role) ||
    compareCodeUnits(a.name, b.name) ||
    compareCodeUnits(a.architecture, b.architecture)
  );
}

function at({ file, path }: Place, step: string, value: unknown): Place {
  return { file, path: `${path}${step}`, value };
}

function wrong({ file, path, value }: Place, expected: string): CvmError<ResolverErrorCode> {
  const got = value === undefined ? "nothing" : JSON.stringify(value).slice(0, 80);
  return new CvmError("lock", `cannot parse lock "${file}": expected ${expected} at ${path || "the top"}, got ${got}`, {
    hint: RENEW,
    details: { file, path },
  });
}
