import { compactCanonicalJson, compareCodeUnits, type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import { compareVersions } from "./debian/version.ts";
import type { Lock, LockedArtifact, LockedPackage } from "./lock.ts";

/** One difference between two locks. Versions are those of a package, or the digest of an artefact. */
export interface LockChange {
  kind: "added" | "removed" | "upgraded" | "downgraded" | "changed";
  subject: "package" | "artifact";
  name: string;
  /** Of a package: what it is used for. */
  role?: LockedPackage["role"];
  before?: string;
  after?: string;
}

/**
 * What changed from one lock to the next: packages first, each list by name. Same version and other bytes is `changed`.
 */
export function diffLocks(before: Lock, after: Lock): LockChange[] {
  const packages = pair(before.packages, after.packages, (item) => `${item.role}/${item.name}:${item.architecture}`);
  const artifacts = pair(before.artifacts, after.artifacts, (item) => item.name);
  return [
    ...packages.flatMap(([from, to]) => changeOfPackage(from, to)),
    ...artifacts.flatMap(([from, to]) => changeOfArtifact(from, to)),
  ];
}

/**
 * Digest of what a lock was asked for, to tell whether it still answers the question. The order of lists counts; that of keys does not.
 */
export function requestDigest(request: object): Sha256Hex {
  return sha256Hex(compactCanonicalJson(request));
}

type Pair<Item> = readonly [before: Item | undefined, after: Item | undefined];

/** Brings the items of two lists together by key, sorted by key. */
function pair<Item>(before: readonly Item[], after: readonly Item[], keyOf: (item: Item) => string): Pair<Item>[] {
  const left = new Map(before.map((item) => [keyOf(item), item]));
  const right = new Map(after.map((item) => [keyOf(item), item]));
  const keys = [...new Set([...left.keys(), ...right.keys()])].sort(compareCodeUnits);
  return keys.map((key) => [left.get(key), right.get(key)]);
}

function changeOfPackage(from: LockedPackage | undefined, to: LockedPackage | undefined): LockChange[] {
  const known = to ?? from;
  if (known === undefined || (from?.sha256 === to?.sha256 && from?.version === to?.version)) return [];
  return [
    {
      kind: kindOf(from, to, (before, after) => {
        const order = compareVersions(before.version, after.version);
        return order === 0 ? "changed" : order < 0 ? "upgraded" : "downgraded";
      }),
      subject: "package",
      name: known.name,
      role: known.role,
      ...(from === undefined ? {} : { before: from.version }),
      ...(to === undefined ? {} : { after: to.version }),
    },
  ];
}

function changeOfArtifact(from: LockedArtifact | undefined, to: LockedArtifact | undefined): LockChange[] {
  const known = to ?? from;
  if (known === undefined || from?.sha256 === to?.sha256) return [];
  return [
    {
      kind: kindOf(from, to, () => "changed"),
      subject: "artifact",
      name: known.name,
      ...(from === undefined ? {} : { before: from.sha256 }),
      ...(to === undefined ? {} : { after: to.sha256 }),
    },
  ];
}

function kindOf<Item>(
  from: Item | undefined,
  to: Item | undefined,
  compare: (before: Item, after: Item) => LockChange["kind"],
): LockChange["kind"] {
  if (from === undefined) return "added";
  return to === undefined ? "removed" : compare(from, to);
}
