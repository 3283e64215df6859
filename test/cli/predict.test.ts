import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildReport, ForesightReport, Measurements } from "@cvm-build/image";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuild, cvmBuildJson } from "../support/cli.ts";

/** What registers would be is what they are once it is built. */
describe("predict", () => {
  const scratch = mkdtempSync(join(tmpdir(), "cvm-predict-"));
  const lock = join(scratch, "minimal.lock");
  const flags = (folder: string, settings: readonly string[]) => [
    ...["--profile", "minimal", "--lock", lock, "--set", `Output.OutputDirectory=${join(scratch, folder)}`],
    ...settings.flatMap((setting) => ["--set", setting]),
  ];
  const build = async (folder: string, settings: readonly string[]) =>
    (await cvmBuildJson<BuildReport>(["build", ...flags(folder, settings)])).measurements;
  const predict = (settings: readonly string[], more: readonly string[] = []) =>
    cvmBuildJson<Measurements & Pick<ForesightReport, "made">>(["predict", ...flags("first", settings), ...more]);

  beforeAll(async () => {
    await cvmBuildJson(["lock", "--profile", "minimal", "--output", lock]);
    await build("first", []);
  });

  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it("takes initrd and kernel of the last build where a setting does not change them", async () => {
    const settings = ["Content.KernelCommandLine=quiet", "Measure.Phases=sysinit:ready"];
    const { made, ...predicted } = await predict(settings);
    expect(made).toBe("last-build");
    expect(predicted).toEqual(await build("second", settings));
  });

  it("makes anew what a setting does change, and keeps nothing of it", async () => {
    const before = readFileSync(join(scratch, "first/minimal/measurements.json"), "utf8");
    const settings = ["Content.Hostname=elsewhere"];
    const { made, ...predicted } = await predict(settings);
    expect(made).toBe("anew");
    expect(predicted).toEqual(await build("third", settings));
    expect(readFileSync(join(scratch, "first/minimal/measurements.json"), "utf8")).toBe(before);
  });

  it.each([
    ["disk", []],
    ["initoverlay", ["InitOverlay.Carrier=partition"]],
    ["initoverlay", ["InitOverlay.Carrier=esp"]],
  ])("knows the partition table and root hash of Format=%s %s", async (format, settings) => {
    const folder = [format, ...settings].join("-");
    const own = (more: readonly string[]) => [
      ...["--profile", "minimal", "--profile", format],
      ...[
        "Measure.Platforms=qemu-ovmf-bookworm",
        `Output.OutputDirectory=${join(scratch, folder)}`,
        ...settings,
        ...more,
      ].flatMap((each) => ["--set", each]),
    ];
    const longer = [`Content.KernelCommandLine=longer=${"x".repeat(2000)}`];
    await cvmBuildJson(["build", ...own([])]);
    const predicted = await cvmBuildJson<Measurements & { made: string }>(["predict", ...own(longer)]);
    const { measurements } = await cvmBuildJson<BuildReport>(["build", ...own(longer)]);
    expect(predicted.made).toBe(settings.includes("InitOverlay.Carrier=esp") ? "anew" : "last-build");
    expect(predicted.platforms).toEqual(measurements.platforms);
    expect(measurements.platforms[0]?.events.filter(({ type }) => type === "EV_EFI_GPT_EVENT")).toHaveLength(1);
  });

  it("has a matrix of machines", async () => {
    const { platforms } = await predict([], ["--platform", "qemu-snp", "--cpus", "1-3", "--memory", "1G,2G"]);
    expect(platforms.map(({ name }) => name)).toEqual([
      ...["qemu-snp+1024M+1cpus", "qemu-snp+1024M+2cpus", "qemu-snp+1024M+3cpus"],
      ...["qemu-snp+2048M+1cpus", "qemu-snp+2048M+2cpus", "qemu-snp+2048M+3cpus"],
    ]);
    for (const { unpredicted } of platforms) {
      expect(unpredicted).toEqual([
        { register: "launchDigest", reason: expect.stringContaining("--firmware") as string },
      ]);
    }
  });

  it("names the platforms that there are for one that there is not", async () => {
    const { exitCode, stderr } = await cvmBuild(["predict", ...flags("first", []), "--platform", "qemu-tdxx"]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/hint: there are .*qemu-tdx/);
  });
});
