import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildReport, Explanation, ImageDifference } from "@cvm-build/image";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuild, cvmBuildJson } from "../support/cli.ts";

const sha256 = (...parts: Uint8Array[]) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const ZERO = Buffer.alloc(32);
const LOG = join(import.meta.dirname, "../../../shared/vectors/eventlogs/tpm2-tools/event-sd-boot-fedora37.bin");

/** Two images that differ in a file and in the command line. */
describe("explain and diff", () => {
  const scratch = mkdtempSync(join(tmpdir(), "cvm-explain-"));
  const lock = join(scratch, "minimal.lock");
  let a: string;
  let b: string;

  beforeAll(async () => {
    await cvmBuildJson(["lock", "--profile", "minimal", "--output", lock]);
    a = await build("a", "console=hvc0");
    b = await build("b", "console=hvc0 quiet");
  });

  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  async function build(name: string, commandLine: string): Promise<string> {
    const extra = join(scratch, `${name}.extra`);
    mkdirSync(join(extra, "etc"), { recursive: true });
    writeFileSync(join(extra, "etc/who"), `${name}\n`);
    const settings = [`Output.OutputDirectory=${scratch}/${name}`, `Content.ExtraTrees=${extra}`];
    settings.push("Content.KernelCommandLine=", `Content.KernelCommandLine=${commandLine}`);
    const set = settings.flatMap((setting) => ["--set", setting]);
    return (await cvmBuildJson<BuildReport>(["build", "--profile", "minimal", "--lock", lock, ...set])).directory;
  }

  it("leads a register from zero to its value, with the bytes of each step", async () => {
    const { registers } = await cvmBuildJson<Explanation>(["explain", "pcr9", a]);
    const [{ events, values }] = registers as [Explanation["registers"][0]];
    const [options, initrd] = events;
    const spoken = Buffer.from("console=hvc0\0", "utf16le");
    expect(options?.content).toEqual({ sizeBytes: spoken.length, hex: spoken.toString("hex") });
    expect(options?.after?.sha256).toBe(sha256(ZERO, sha256(spoken)).toString("hex"));
    expect(options?.origin.setting).toEqual({ name: "Content.KernelCommandLine", value: "console=hvc0" });
    expect(initrd?.after?.sha256).toBe(values.sha256);
    const expected = sha256(
      Buffer.from(options?.after?.sha256 ?? "", "hex"),
      Buffer.from(initrd?.digests.sha256 ?? "", "hex"),
    );
    expect(values.sha256).toBe(expected.toString("hex"));
    const origins = initrd?.origin.segments?.map(({ origin }) => origin) ?? [];
    expect(origins).toContain("package:busybox");
  });

  it("leads from a file to the registers that it decides", async () => {
    const { file } = await cvmBuildJson<Explanation>(["explain", "--file", "/etc/who", a]);
    expect(file?.file).toMatchObject({
      kind: "file",
      sizeBytes: 2,
      sha256: sha256(Buffer.from("a\n")).toString("hex"),
    });
    expect(file?.segment.origin).toMatch(/^extra:/);
    expect(new Set(file?.events.map(({ register }) => register))).toEqual(new Set(["pcr4", "pcr9", "pcr11"]));
    const initrd = readFileSync(join(a, "minimal.initrd"));
    const { offsetBytes = 0, sizeBytes = 0, sha256: digest } = file?.segment ?? {};
    expect(sha256(initrd.subarray(offsetBytes, offsetBytes + sizeBytes)).toString("hex")).toBe(digest);
  });

  it("names a file of the same name, and registers that there are, for what is not there", async () => {
    const missing = await cvmBuild(["explain", "--file", "/who", a]);
    expect(missing).toMatchObject({ exitCode: 3 });
    expect(missing.stderr).toContain("hint: it has /usr/bin/who, /etc/who");
    const register = await cvmBuild(["explain", "pcr99", a]);
    expect(register).toMatchObject({ exitCode: 2 });
    expect(register.stderr).toMatch(/hint: it has .*pcr4.*pcr11/);
  });

  it("says which registers differ, by which events, and what made them", async () => {
    const { exitCode, stdout } = await cvmBuild(["diff", a, b, "--json"]);
    expect(exitCode).toBe(4);
    const { registers, contents } = JSON.parse(stdout) as ImageDifference;
    expect(registers.map(({ register }) => register)).toEqual(["pcr4", "pcr9", "pcr11"]);
    const changed = registers.find(({ register }) => register === "pcr11")?.events ?? [];
    expect(changed.map((step) => [step.kind, "a" in step ? step.a.label : ""])).toEqual([
      ["changed", ".cmdline"],
      ["changed", ".initrd"],
    ]);
    expect(contents.parts).toEqual([{ name: "kernel command line", a: "console=hvc0", b: "console=hvc0 quiet" }]);
    expect(contents.packages).toEqual([]);
    expect(contents.files.map(({ name }) => name)).toEqual(["/etc/who"]);
  });

  it("finds no difference between an image and itself", async () => {
    const { exitCode, stdout } = await cvmBuild(["diff", a, a]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("no register differs");
  });

  it.skipIf(!existsSync(LOG))("compares with the log of a machine that booted something else", async () => {
    const { exitCode, stdout } = await cvmBuild(["diff", a, LOG, "--json"]);
    expect(exitCode).toBe(4);
    expect(JSON.parse(stdout)).toMatchObject({ against: "log", agrees: false, platform: "qemu-ovmf" });
  });

  it("refuses an initrd that is not the manifest's", async () => {
    const path = join(a, "minimal.initrd");
    expect(existsSync(path)).toBe(true);
    const initrd = readFileSync(path);
    initrd[100] = (initrd[100] ?? 0) ^ 1;
    writeFileSync(path, initrd);
    const { exitCode, stderr } = await cvmBuild(["explain", "--file", "/etc/who", a]);
    expect(stderr).toContain("the initrd is not the one that manifest.json speaks of");
    expect(exitCode).toBe(1);
  });
});
