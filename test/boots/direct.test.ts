import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildReport, Measurements, Proof } from "@cvm-build/image";
import { afterAll, describe, expect, it } from "vitest";
import { cvmBuild, cvmBuildJson } from "../support/cli.ts";
import { requirePeers } from "../support/peers.ts";

describe.skipIf(!requirePeers("qemu-system-x86_64", "swtpm"))("a kernel that is started by -kernel", () => {
  const scratch = mkdtempSync(join(tmpdir(), "cvm-direct-"));
  const profile = [
    ...["--profile", "minimal"],
    ...["Format=direct", `OutputDirectory=${scratch}`].flatMap((setting) => ["--set", setting]),
  ];
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it("measures what was predicted of it, event by event", async () => {
    const { build, proof } = await cvmBuildJson<{ build: BuildReport; proof: Proof }>([
      ...["build", "--prove", "--timeout", "240"],
      ...profile,
    ]);
    expect(build.manifest.image.file).toBe("minimal.vmlinuz");
    expect(build.launch).toHaveLength(4);
    expect(proof.agrees).toBe(true);
    expect(proof.registers.map(({ register }) => register)).toEqual(
      [0, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14].map((pcr) => `pcr${pcr}`),
    );
    // Firmware: action, separator, kernel. Kernel: command line, initrd. There is no stub.
    const logged = Object.fromEntries(proof.registers.map(({ register, events }) => [register, events.length]));
    expect(logged).toMatchObject({ pcr4: 3, pcr9: 2, pcr11: 0, pcr12: 0 });
  });

  it("is predicted with another command line from the last build's kernel and initrd", async () => {
    const platform = ["--platform", "qemu-ovmf-trixie"];
    const predict = (more: readonly string[]) =>
      cvmBuildJson<Measurements & { made: string }>(["predict", ...profile, ...platform, ...more]);
    const [own, other] = [await predict([]), await predict(["--set", "Content.KernelCommandLine=quiet"])];
    expect([own.made, other.made]).toEqual(["last-build", "last-build"]);
    const pcr = ({ platforms }: Measurements, index: number) => platforms[0]?.registers.pcr.sha256?.[index];
    expect(pcr(own, 9)).toMatch(/^[0-9a-f]{64}$/);
    expect(pcr(other, 9)).not.toBe(pcr(own, 9));
  });

  it("is not booted with another command line than was measured", async () => {
    const image = join(scratch, "minimal");
    const path = join(image, "minimal.cmdline");
    const own = readFileSync(path);
    writeFileSync(path, "init=/bin/sh");
    const { exitCode, stderr } = await cvmBuild(["prove", image]);
    writeFileSync(path, own);
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringContaining('expected "minimal.cmdline" as manifest.json has it'),
    ]);
  });
});
