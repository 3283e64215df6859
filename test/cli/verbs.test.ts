import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildReport, LockReport, Measurements, PlatformMeasurements, UkiInspection } from "@cvm-build/image";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuild, cvmBuildJson } from "../support/cli.ts";
import { requirePeers } from "../support/peers.ts";

/** The verbs around a build, on a real image. */
describe("around a build", () => {
  const scratch = mkdtempSync(join(tmpdir(), "cvm-verbs-"));
  const lock = join(scratch, "minimal.lock");
  let built: BuildReport;
  let image: string;

  beforeAll(async () => {
    await cvmBuildJson<LockReport>(["lock", "--profile", "minimal", "--output", lock]);
    const output = ["--set", `Output.OutputDirectory=${scratch}`];
    built = await cvmBuildJson<BuildReport>(["build", "--profile", "minimal", "--lock", lock, ...output]);
    image = join(built.directory, "minimal.efi");
  });

  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it("lock says what changed since the last lock", async () => {
    const document = JSON.parse(readFileSync(lock, "utf8")) as { packages: { name: string; version: string }[] };
    for (const entry of document.packages) if (entry.name === "busybox") entry.version = "1:1.0-1";
    const path = join(scratch, "old.lock");
    writeFileSync(path, JSON.stringify(document));
    const { stdout } = await cvmBuild(["lock", "--profile", "minimal", "--output", path, "--quiet"]);
    expect(stdout).toMatch(/↑ {2}busybox {2}1:1\.0-1 {2}→ 1:1\.3/);
    expect(readFileSync(path, "utf8")).toBe(readFileSync(lock, "utf8"));
    expect((await cvmBuild(["lock", "--profile", "minimal", "--output", path, "--quiet"])).stdout).toContain(
      "nothing changed",
    );
  });

  it("measure gives the published registers of the image", async () => {
    const { platforms } = await cvmBuildJson<Measurements>(["measure", image]);
    const [{ registers, events }] = platforms as [PlatformMeasurements];
    const [published] = built.measurements.platforms;
    expect(registers).toEqual(published?.registers);
    expect(events.map(({ digests }) => digests)).toEqual(published?.events.map(({ digests }) => digests));
  });

  it.skipIf(!requirePeers("objdump"))("inspect lists the sections that binutils lists, with their sizes", async () => {
    const { sections, stubVersion } = await cvmBuildJson<UkiInspection>(["inspect", image]);
    const listed = [
      ...execFileSync("objdump", ["-h", image], { encoding: "utf8" }).matchAll(/^ +\d+ (\.\S+) +([0-9a-f]{8})/gm),
    ];
    const sizes = new Map(listed.map(([, name = "", size = ""]) => [name, Number.parseInt(size, 16)]));
    expect(sections.map(({ name }) => name)).toEqual(
      expect.arrayContaining([".linux", ".initrd", ".cmdline", ".osrel", ".uname"]),
    );
    // binutils shows a section's size in the file, which is rounded up to the file's alignment.
    for (const { name, sizeBytes } of sections)
      expect(Math.ceil(sizeBytes / 512) * 512).toBe(Math.ceil((sizes.get(name) ?? 0) / 512) * 512);
    expect(stubVersion).toMatch(/^257\./);
  });

  it("cache prune bounds a store, and the next build has what it needs again", async () => {
    const store = join(scratch, "store");
    const again = [
      "build",
      "--profile",
      "minimal",
      "--lock",
      lock,
      "--force",
      "--set",
      `Output.OutputDirectory=${scratch}`,
    ];
    await cvmBuildJson(again, { store });
    const { keptBytes, removedBytes } = await cvmBuildJson<{ keptBytes: number; removedBytes: number }>(
      ["cache", "prune", "--max-size", "1M"],
      { store },
    );
    expect(keptBytes).toBeLessThanOrEqual(2 ** 20);
    expect(removedBytes).toBeGreaterThan(2 ** 20);
    const { manifest } = await cvmBuildJson<BuildReport>(again, { store });
    expect(manifest.outputs).toEqual(built.manifest.outputs);
  });
});
