import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { sha256Hex } from "@cvm-build/bytes";
import { expect, test } from "vitest";
import { buildKey, isUpToDate, rememberBuild } from "./build-key.ts";
import type { ObtainedLock } from "./locking.ts";
import { OutputDirectory } from "./output.ts";
import { makeProject, type Project } from "./project.fixture.ts";

const CONFIGURATION = "[Distribution]\nDistribution=debian\nRelease=trixie\n[Content]\nExtraTrees=tree\n";

function keyOf(project: Project, text = "lock"): string {
  const lock = { text, origin: { kind: "resolved" } } as ObtainedLock;
  return buildKey(project.load(), lock, { directory: "/nowhere", configsDirectory: "/nowhere" });
}

test("a build's key changes with what the image is made from, and with nothing else", () => {
  using project = makeProject({ "cvm.conf": CONFIGURATION, "tree/etc/motd": "hello" });
  const key = keyOf(project);
  expect(keyOf(project)).toBe(key);
  chmodSync(join(project.path, "tree/etc/motd"), 0o600);
  expect(keyOf(project), "a mode that does not enter the image").toBe(key);
  expect(keyOf(project, "another lock")).not.toBe(key);
  chmodSync(join(project.path, "tree/etc/motd"), 0o700);
  expect(keyOf(project), "an executable").not.toBe(key);
  chmodSync(join(project.path, "tree/etc/motd"), 0o644);
  project.write("tree/etc/motd", "other");
  expect(keyOf(project), "a file's bytes").not.toBe(key);
  project.write("tree/etc/motd", "hello");
  expect(keyOf(project)).toBe(key);
  project.write("cvm.conf", `${CONFIGURATION}Hostname=other\n`);
  expect(keyOf(project), "a setting").not.toBe(key);
});

test("an extra tree that is a link changes with what it leads to", () => {
  using project = makeProject({ "cvm.conf": CONFIGURATION, "real/etc/motd": "hello" });
  symlinkSync("real", join(project.path, "tree"));
  const key = keyOf(project);
  project.write("real/etc/motd", "other");
  expect(keyOf(project)).not.toBe(key);
});

test("a pipe in an extra tree is not waited for", () => {
  using project = makeProject({ "cvm.conf": CONFIGURATION, "tree/etc/motd": "hello" });
  execFileSync("mkfifo", [join(project.path, "tree/pipe")]);
  expect(keyOf(project)).toMatch(/^[0-9a-f]{64}$/);
});

test("an image is up to date for its key and its files' digests, whatever the record holds", () => {
  using project = makeProject({});
  const output = new OutputDirectory(join(project.path, "build"), "node");
  const key = sha256Hex("key");
  expect(isUpToDate(output, key)).toBe(false);
  mkdirSync(output.generations, { recursive: true });
  project.write("build/node/node.efi", "image");
  rememberBuild(output, { key, systemKey: key, files: { "node.efi": sha256Hex("image") } });
  expect(isUpToDate(output, key)).toBe(true);
  expect(isUpToDate(output, sha256Hex("other"))).toBe(false);
  project.write("build/node/node.efi", "touched");
  expect(isUpToDate(output, key)).toBe(false);
  for (const torn of ["", "{", "null", "[]", `{"key":"${key}","files":{"node.efi":"x"}}`]) {
    project.write("build/.node/build.json", torn);
    expect(isUpToDate(output, key), torn).toBe(false);
  }
});
