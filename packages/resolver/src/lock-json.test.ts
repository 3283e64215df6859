import { sha256Hex } from "@cvm-build/bytes";
import { expect, test } from "vitest";
import type { Lock, LockedPackage } from "./lock.ts";
import { diffLocks, requestDigest } from "./lock-diff.ts";
import { encodeLock, parseLock } from "./lock-json.ts";

function lockedPackage(name: string, changes: Partial<LockedPackage> = {}): LockedPackage {
  return {
    name,
    version: "1.0-1",
    architecture: "amd64",
    role: "image",
    repository: "trixie",
    path: `pool/main/${name}.deb`,
    sizeBytes: 10,
    sha256: sha256Hex(name),
    source: { name, version: "1.0-1" },
    requestedBy: ["profile"],
    ...changes,
  };
}

function makeLock(packages: LockedPackage[] = [lockedPackage("bash"), lockedPackage("zsh")]): Lock {
  return {
    schema: "cvm-build.lock/1",
    requestSha256: sha256Hex("request"),
    distribution: { id: "debian", release: "trixie", architecture: "amd64" },
    repositories: [
      {
        suite: "trixie-security",
        components: ["main"],
        archive: "security",
        inReleaseSha256: sha256Hex("InRelease"),
        date: "2026-05-28T08:49:23.000Z",
        signedBy: ["0123456789ABCDEF0123456789ABCDEF01234567"],
      },
    ],
    packages,
    artifacts: [{ name: "reth", kind: "deb", from: "https://example.org/reth.deb", sha256: sha256Hex("reth") }],
    tools: { zstd: "1.5.7", segmentFormat: 1 },
  };
}

test("a lock survives the round trip, and its text does not depend on the order of its lists", () => {
  const text = encodeLock(makeLock());
  expect(parseLock(text, { file: "cvm.lock" })).toEqual(makeLock());
  const withErofs = { ...makeLock(), tools: { zstd: "1.5.7", segmentFormat: 1, erofsFormat: 2 } };
  expect(parseLock(encodeLock(withErofs), { file: "cvm.lock" })).toEqual(withErofs);
  expect(encodeLock(makeLock([lockedPackage("zsh"), lockedPackage("bash")]))).toBe(text);
  expect(text.startsWith('{\n  "artifacts": [\n')).toBe(true);
  expect(text.endsWith("}\n")).toBe(true);
});

test.each<[path: string, change: (lock: Record<string, any>) => void, expected: string]>([
  [".schema", (lock) => (lock["schema"] = "cvm-build.lock/2"), '"cvm-build.lock/1"'],
  [".requestSha256", (lock) => (lock["requestSha256"] = "ABC"), "64 lower-case hex digits"],
  [".distribution.id", (lock) => (lock["distribution"].id = "fedora"), '"debian"'],
  [".distribution", (lock) => (lock["distribution"] = []), "an object"],
  [".tools", (lock) => delete lock["tools"], "an object"],
  [".tools.erofsFormat", (lock) => (lock["tools"].erofsFormat = "2"), "a whole number"],
  [".extra", (lock) => (lock["extra"] = 1), "no such field"],
  [".repositories[0].archive", (lock) => (lock["repositories"][0].archive = "ports"), '"main" or "security"'],
  [".repositories[0].date", (lock) => (lock["repositories"][0].date = "yesterday"), "a date"],
  [".repositories[0].signedBy[0]", (lock) => (lock["repositories"][0].signedBy = ["abc"]), "a fingerprint"],
  [".repositories[0].components", (lock) => (lock["repositories"][0].components = "main"), "a list"],
  [".packages", (lock) => (lock["packages"] = {}), "a list"],
  [".packages[1]", (lock) => lock["packages"].reverse(), "items in order, each once"],
  [".packages[2]", (lock) => lock["packages"].push(lock["packages"][1]), "items in order, each once"],
  [".packages[1].path", (lock) => (lock["packages"][1].path = "pool/../../etc/passwd"), "a path below the archive"],
  [".packages[1].path", (lock) => (lock["packages"][1].path = "/etc/passwd"), "a path below the archive"],
  [".packages[0].sizeBytes", (lock) => (lock["packages"][0].sizeBytes = -1), "a whole number"],
  [".packages[0].sizeBytes", (lock) => (lock["packages"][0].sizeBytes = 1.5), "a whole number"],
  [".packages[0].source.name", (lock) => (lock["packages"][0].source.name = "A B"), "a package name"],
  [".packages[0].requestedBy[0]", (lock) => (lock["packages"][0].requestedBy = [null]), "a text"],
  [".artifacts[0].kind", (lock) => (lock["artifacts"][0].kind = "ftp"), '"path" or "https" or "npm" or "deb"'],
])("a lock that is wrong at %s is refused there", (path, change, expected) => {
  const lock = structuredClone(makeLock()) as unknown as Record<string, any>;
  change(lock);
  expect(() => parseLock(JSON.stringify(lock), { file: "profiles/x/cvm.lock" })).toThrow(
    expect.objectContaining({
      code: "lock",
      message: expect.stringMatching(/^cannot parse lock "profiles\/x\/cvm.lock": expected .* at .*, got /) as string,
      details: { file: "profiles/x/cvm.lock", path },
    }) as Error,
  );
  expect(() => parseLock(JSON.stringify(lock), { file: "x" })).toThrow(expected);
});

test.each(["", "{", "[]", "null", '"x"'])("%j is not a lock", (text) => {
  expect(() => parseLock(text, { file: "x" })).toThrow(expect.objectContaining({ code: "lock" }) as Error);
});

test("the difference of two locks", () => {
  const before = makeLock([
    lockedPackage("down", { version: "2", sha256: sha256Hex("d2") }),
    lockedPackage("gone"),
    lockedPackage("rebuilt"),
    lockedPackage("same"),
    lockedPackage("up", { version: "1.9" }),
  ]);
  const after = makeLock([
    lockedPackage("down", { version: "1" }),
    lockedPackage("new"),
    lockedPackage("rebuilt", { sha256: sha256Hex("other bytes") }),
    lockedPackage("same", { requestedBy: ["new"] }),
    lockedPackage("up", { version: "1.10", sha256: sha256Hex("up2") }),
    lockedPackage("up", { role: "stub" }),
  ]);
  after.artifacts = [];
  expect(diffLocks(before, after)).toEqual([
    { kind: "downgraded", subject: "package", name: "down", role: "image", before: "2", after: "1" },
    { kind: "removed", subject: "package", name: "gone", role: "image", before: "1.0-1" },
    { kind: "added", subject: "package", name: "new", role: "image", after: "1.0-1" },
    { kind: "changed", subject: "package", name: "rebuilt", role: "image", before: "1.0-1", after: "1.0-1" },
    { kind: "upgraded", subject: "package", name: "up", role: "image", before: "1.9", after: "1.10" },
    { kind: "added", subject: "package", name: "up", role: "stub", after: "1.0-1" },
    { kind: "removed", subject: "artifact", name: "reth", before: sha256Hex("reth") },
  ]);
  expect(diffLocks(before, before)).toEqual([]);
});

test("the digest of a request does not depend on the order of its keys", () => {
  expect(requestDigest({ a: 1, b: ["x", "y"] })).toBe(requestDigest({ b: ["x", "y"], a: 1 }));
  expect(requestDigest({ b: ["y", "x"] })).not.toBe(requestDigest({ b: ["x", "y"] }));
});
