import { describe, expect, it } from "vitest";
import { PackageUniverse } from "@cvm-build/resolver";
import { basePackagesOf, pinBase } from "./base-lock.ts";
import { makeProject } from "./project.fixture.ts";

const PROFILE = "[Output]\nFormat=sysext\n[Extension]\nBase=node\n";

function lockOf(changes: { release?: string } = {}): string {
  const { release = "trixie" } = changes;
  const entry = (name: string, role: string) => ({
    ...{ name, version: "1.0-1", architecture: "amd64", role, repository: release, path: `pool/${name}.deb` },
    ...{ sizeBytes: 1, sha256: "0".repeat(64), source: { name, version: "1.0-1" }, requestedBy: ["profile"] },
  });
  return JSON.stringify({
    schema: "cvm-build.lock/1",
    requestSha256: "0".repeat(64),
    distribution: { id: "debian", release, architecture: "amd64" },
    repositories: [],
    packages: [entry("libc6", "image"), entry("dmsetup", "initrd"), entry("systemd-boot-efi", "stub")],
    artifacts: [],
    tools: { zstd: "1.5.7", segmentFormat: 1 },
  });
}

describe("the image that an extension is for", () => {
  it("is none without Base=", () => {
    using project = makeProject({ "cvm.conf": "[Output]\nFormat=sysext\n" });
    expect(basePackagesOf(project.load(), project.path)).toEqual([]);
  });

  it("has the packages of its file system", () => {
    using project = makeProject({ "cvm.conf": PROFILE, "profiles/node/cvm.lock": lockOf() });
    expect(basePackagesOf(project.load(), project.path)).toEqual([{ name: "libc6", version: "1.0-1" }]);
  });

  it("must be locked, and of the same system", () => {
    using project = makeProject({ "cvm.conf": PROFILE });
    expect(() => basePackagesOf(project.load(), project.path)).toThrow(
      expect.objectContaining({
        code: "lock-missing",
        message: expect.stringContaining('expected the lock of its base at "profiles/node/cvm.lock"') as string,
        hint: "run cvm-build lock --profile node",
      }),
    );
    project.write("profiles/node/cvm.lock", lockOf({ release: "bookworm" }));
    expect(() => basePackagesOf(project.load(), project.path)).toThrow(
      "expected a base of trixie amd64, got bookworm amd64",
    );
  });

  it("is not extended by what needs other versions", () => {
    expect(pinBase([], new PackageUniverse([]))).toEqual([]);
    expect(() => pinBase([{ name: "libc6", version: "1.0-1" }], new PackageUniverse([]))).toThrow(
      "expected libc6 1.0-1, as its lock has it, got none",
    );
  });
});
