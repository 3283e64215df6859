import { renameSync } from "node:fs";
import { join } from "node:path";
import { sha256Hex } from "@cvm-build/bytes";
import { encodeLock, type Lock } from "@cvm-build/resolver";
import { expect, test } from "vitest";
import { findLock, LOCK_FILE, type LockPolicy } from "./locking.ts";
import { OutputDirectory } from "./output.ts";
import { makeProject, type Project } from "./project.fixture.ts";
import { requestSha256 } from "./request-digest.ts";

const FILES = {
  "cvm.conf": "[Distribution]\nDistribution=debian\nRelease=trixie\n[Output]\nImageId=node\n",
  "artifacts/tool.yaml": "path: ../tool.bin\nfiles:\n  - to: /usr/bin/tool\n",
  "tool.bin": "first",
};

function lockText(project: Project): string {
  const lock: Lock = {
    schema: "cvm-build.lock/1",
    requestSha256: requestSha256(project.load(), project.path),
    distribution: { id: "debian", release: "trixie", architecture: "amd64" },
    repositories: [],
    packages: [],
    artifacts: [{ name: "tool", kind: "path", from: "tool.bin", sha256: sha256Hex("first") }],
    tools: { zstd: "1.5.7", segmentFormat: 1 },
  };
  return encodeLock(lock);
}

function find(project: Project, { supplied = {}, ...policy }: Partial<LockPolicy> & { supplied?: object } = {}) {
  const output = new OutputDirectory(join(project.path, "build"), "node");
  return findLock(project.load(), {
    surroundings: project.surroundings,
    output,
    policy: { locked: false, update: false, ...policy },
    supplied: new Map(Object.entries(supplied)),
  });
}

test("a lock with an artefact that is a file fits wherever the profiles are checked out", () => {
  using here = makeProject(FILES);
  using there = makeProject(FILES);
  expect(lockText(here)).toBe(lockText(there));
  expect(lockText(here)).not.toContain(here.path);
});

test("a committed lock refuses a file that is not the locked one", () => {
  using project = makeProject(FILES);
  const path = project.write(LOCK_FILE, lockText(project));
  expect(find(project)?.origin).toEqual({ kind: "file", path });
  project.write("tool.bin", "second");
  expect(() => find(project)).toThrow(
    expect.objectContaining({
      code: "digest-mismatch",
      message: expect.stringMatching(new RegExp(`tool\\.bin" as artifact "tool": .*${sha256Hex("second")}`)),
      hint: expect.stringContaining("cvm-build lock"),
    }),
  );
});

test("a lock of the last build is not used where a file that it names has changed", () => {
  using project = makeProject(FILES);
  project.write(`build/node/${LOCK_FILE}`, lockText(project));
  expect(find(project)).toBeDefined();
  project.write("tool.bin", "second");
  expect(find(project)).toBeUndefined();
});

test("a file that stands in for an artefact must have the locked digest, whatever the store has", () => {
  using project = makeProject(FILES);
  project.write(LOCK_FILE, lockText(project));
  const supplied = { tool: project.write("mine.bin", "mine") };
  expect(() => find(project, { supplied })).toThrow(expect.objectContaining({ code: "digest-mismatch" }));
  project.write("mine.bin", "first");
  expect(find(project, { supplied })).toBeDefined();
});

test("a file that is gone does not stop a lock: the store may have its bytes", () => {
  using project = makeProject(FILES);
  project.write(LOCK_FILE, lockText(project));
  renameSync(join(project.path, "tool.bin"), join(project.path, "elsewhere.bin"));
  expect(find(project)).toBeDefined();
});

test("a lock for another request is stale, a left one is passed over", () => {
  using project = makeProject(FILES);
  const other = lockText(project).replace(/"requestSha256": "\w+"/, `"requestSha256": "${sha256Hex("other")}"`);
  project.write(`build/node/${LOCK_FILE}`, other);
  expect(find(project)).toBeUndefined();
  project.write(LOCK_FILE, other);
  expect(() => find(project)).toThrow(expect.objectContaining({ code: "lock-stale" }));
  expect(find(project, { update: true })).toBeUndefined();
});
