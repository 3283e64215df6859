import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildReport, LintReport } from "@cvm-build/image";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuild, cvmBuildJson } from "../support/cli.ts";
import { requirePeers } from "../support/peers.ts";

const VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd";
/** A store without keys comes with the firmware, which comes with the machine that boots. */
const hasFirmware = requirePeers("qemu-system-x86_64") && existsSync(VARIABLES);

const rulesOf = ({ findings }: LintReport, severity?: string) =>
  findings.filter((each) => severity === undefined || each.severity === severity).map(({ rule }) => rule);

/** `lint` ends with 1 where it finds something grave, and prints its document all the same. */
async function lintJson(args: readonly string[]): Promise<LintReport & { exitCode: number | null }> {
  const { exitCode, stdout } = await cvmBuild(["lint", ...args, "--json"]);
  return { ...(JSON.parse(stdout) as LintReport), exitCode };
}

/** The minimal image, which has a shell for tests, and the same one without. */
describe("lint", () => {
  const scratch = mkdtempSync(join(tmpdir(), "cvm-lint-"));
  const lock = join(scratch, "minimal.lock");
  let open: BuildReport;
  let closed: BuildReport;

  const settings = (name: string) => {
    const set = [`Output.OutputDirectory=${scratch}/${name}`];
    if (name === "closed") {
      set.push(`Content.ExtraTrees=${scratch}/closed.extra`);
      set.push("Content.KernelCommandLine=systemd.import_credentials=no systemd.gpt_auto=no lockdown=integrity");
      set.push("Content.RemoveFiles=/usr/lib/systemd/system-generators/*");
    }
    return ["--profile", "minimal", ...set.flatMap((setting) => ["--set", setting])];
  };

  beforeAll(async () => {
    await cvmBuildJson(["lock", "--profile", "minimal", "--output", lock]);
    // A mask, as an image has it.
    const units = join(scratch, "closed.extra/etc/systemd/system");
    mkdirSync(units, { recursive: true });
    symlinkSync("/dev/null", join(units, "serial-shell.service"));
    open = await cvmBuildJson<BuildReport>(["build", "--lock", lock, ...settings("open")]);
    closed = await cvmBuildJson<BuildReport>(["build", "--lock", lock, ...settings("closed")]);
  });

  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it("finds what there is to find, the gravest first", () => {
    expect(rulesOf(open.lint!, "error")).toEqual(["root-shell"]);
    expect(rulesOf(open.lint!, "warning")).toEqual(["credentials"]);
    expect(rulesOf(open.lint!, "note")).toEqual(
      expect.arrayContaining(["command-line-override", "companions", "gpt-auto"]),
    );
    expect(open.lint!.findings[0]?.places).toEqual([
      {
        kind: "file",
        name: "/etc/systemd/system/multi-user.target.wants/serial-shell.service",
        detail: "serial-shell.service",
      },
    ]);
    expect(open.lint!.notChecked).toEqual([]);
  });

  it("finds nothing grave in an image that leaves less open", () => {
    expect(rulesOf(closed.lint!)).toEqual(["command-line-override", "companions", "no-phases"]);
  });

  it("names the line of a setting, where the profile is known", () => {
    const credentials = open.lint!.findings.find(({ rule }) => rule === "credentials");
    const [place] = credentials?.places ?? [];
    expect(place).toMatchObject({ kind: "setting", name: "Content.KernelCommandLine" });
    const [, file = "", line = ""] = /^(.*):(\d+)$/.exec(place?.at ?? "") ?? [];
    expect(readFileSync(file, "utf8").split("\n")[Number(line) - 1]).toMatch(/^KernelCommandLine=/);
  });

  it("shows errors and warnings of a build in a line each, and lets the build be", async () => {
    const { exitCode, stdout } = await cvmBuild(["build", "--lock", lock, ...settings("open")]);
    expect(exitCode).toBe(0);
    expect(stdout.match(/^(error|warning|note): \S+ the host can /gm)).toEqual([
      "error: root-shell: the host can ",
      "warning: credentials: the host can ",
    ]);
  });

  it.each([
    ["open", [], 1],
    ["closed", [], 0],
    ["closed", ["--fail-on", "warning"], 0],
    ["closed", ["--fail-on", "note"], 1],
    ["open", ["--fail-on", "everything"], 2],
  ])("ends as --fail-on says: %s %j", async (name, flags, exitCode) => {
    const directory = name === "open" ? open.directory : closed.directory;
    expect(await cvmBuild(["lint", directory, ...flags])).toMatchObject({ exitCode });
  });

  it("says of the image that a profile built last what its build said", async () => {
    const { exitCode, ...report } = await lintJson(settings("open"));
    expect(exitCode).toBe(1);
    expect(report).toEqual(open.lint);
  });

  it("finds in a UKI alone what its build found in its files", async () => {
    const uki = join(scratch, "some.efi");
    copyFileSync(join(open.directory, "minimal.efi"), uki);
    const { findings, notChecked } = await lintJson([uki, "--platform", "qemu-ovmf"]);
    const withoutSettings = (report: LintReport) =>
      report.findings.map(({ places, ...finding }) => ({
        ...finding,
        places: places.filter(({ kind }) => kind === "file" || kind === "platform"),
      }));
    expect(withoutSettings({ findings } as LintReport)).toEqual(withoutSettings(open.lint!));
    expect(notChecked.map(({ rule }) => rule)).toEqual([
      "disk-key-without-secure-boot",
      "disk-without-policy",
      "disk-integrity",
    ]);
  });

  it("believes nothing beside an image that is named by its file", async () => {
    const copy = join(scratch, "told/minimal");
    mkdirSync(copy, { recursive: true });
    copyFileSync(join(open.directory, "minimal.efi"), join(copy, "minimal.efi"));
    writeFileSync(join(copy, "lint.json"), JSON.stringify({ ...open.lint, findings: [] }));
    expect(rulesOf(await lintJson([copy]))).toEqual([]);
    expect(rulesOf(await lintJson([join(copy, "minimal.efi")]), "error")).toEqual(["root-shell"]);
  });

  it("lists what it cannot check without a platform, and on which it could", async () => {
    const uki = join(scratch, "other.efi");
    copyFileSync(join(closed.directory, "minimal.efi"), uki);
    const { exitCode, stdout } = await cvmBuild(["lint", uki]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^not checked: kernel-unmeasured, .*\(no platform was named: --platform\)$/m);
    const { findings } = await lintJson([uki, "--platform", "qemu-snp", "--platform", "gcp-tdx"]);
    const override = findings.find(({ rule }) => rule === "command-line-override");
    expect(override?.places).toEqual([{ kind: "platform", name: "gcp-tdx" }]);
  });

  it("looks anew at an image that is not the one that was built", async () => {
    const copy = join(scratch, "changed/minimal");
    mkdirSync(copy, { recursive: true });
    copyFileSync(join(closed.directory, "minimal.efi"), join(copy, "minimal.efi"));
    copyFileSync(join(open.directory, "lint.json"), join(copy, "lint.json"));
    expect(rulesOf(await lintJson([copy]), "error")).toEqual([]);
    writeFileSync(join(copy, "lint.json"), `{"schema": "cvm-build.lint/1", "image": {}}`);
    expect(rulesOf(await lintJson([copy]), "error")).toEqual([]);
  });

  it.skipIf(!hasFirmware)("finds a kernel that firmware starts unmeasured", async () => {
    const project = join(scratch, "project");
    const variables = join(scratch, "keys/OVMF_VARS.fd");
    await cvmBuildJson(["keys", join(scratch, "keys"), "--variable-store", VARIABLES]);
    mkdirSync(join(project, "platforms"), { recursive: true });
    const machine = 'machine: {version: "10.0", memory: 1G, cpus: 1}';
    for (const release of ["2022.11", "2025.02"]) {
      const platform = `description: By -kernel\nboot: kernel-bzimage\nfirmware: {release: "${release}"}\n${machine}\n`;
      writeFileSync(join(project, `platforms/ovmf-${release}.yaml`), platform);
    }
    const kernel = ["-C", project, join(open.directory, "minimal.vmlinuz"), "--command-line", "quiet rd.break"];
    const start = [...kernel, "--initrd", join(open.directory, "minimal.initrd")];
    const names = ["--platform", "ovmf-2022.11", "--platform", "ovmf-2025.02"];
    const enforced = await lintJson([...start, ...names, "--variable-store", variables]);
    expect(rulesOf(enforced, "error")).toEqual(["kernel-unmeasured", "debug-parameters", "root-shell"]);
    expect(enforced.findings[0]?.places).toEqual([
      { kind: "platform", name: "ovmf-2022.11", detail: expect.stringContaining("Secure Boot refuses it") as unknown },
      { kind: "platform", name: "ovmf-2025.02", detail: expect.stringContaining("Secure Boot refuses it") as unknown },
    ]);
    expect(enforced.findings[1]?.places).toEqual([{ kind: "setting", name: "--command-line", detail: "rd.break" }]);
    expect(rulesOf(await lintJson([...start, ...names]), "error")).toEqual(["debug-parameters", "root-shell"]);
  });

  it("looks at the system on a disk, and does not take the initrd for it", async () => {
    const stacked = ["--profile", "minimal", "--profile", "disk", "--set", `Output.OutputDirectory=${scratch}/disk`];
    const { directory, lint } = await cvmBuildJson<BuildReport>(["build", ...stacked]);
    expect(rulesOf(lint!, "error")).toEqual(["root-shell"]);
    expect(rulesOf(lint!)).toContain("unreadable-blocks");
    const generators = lint!.findings.find(({ rule }) => rule === "generators");
    expect(generators?.places.filter(({ detail = "" }) => detail.endsWith("in the initrd"))).toHaveLength(2);
    const alone = await lintJson([join(directory, "disk.efi")]);
    expect(rulesOf(alone, "error")).toEqual([]);
    expect(alone.checked).not.toContain("root-shell");
    expect(alone.notChecked).toContainEqual({
      rule: "root-shell",
      reason: "its initrd leads to another system: they were held against the initrd alone",
    });
    const disk = join(directory, "disk.raw");
    for (const verb of ["lint", "measure"]) {
      const { exitCode, stderr } = await cvmBuild([verb, disk]);
      expect(exitCode).toBe(3);
      expect(stderr).toContain("expected a UKI or a kernel, got a disk");
    }
    expect((await cvmBuild(["diff", directory, disk])).stdout).toContain("no register differs");
    expect((await cvmBuild(["diff", open.directory, directory])).stdout).toMatch(
      /root hash of the root .* [0-9a-f]{64}$/m,
    );
    const explained = await cvmBuild(["explain", "--file", "/usr/bin/busybox", directory]);
    expect(explained.stderr).toMatch(/expected a file of the initrd, got none\n.* root hash [0-9a-f]{64}/);
  });

  it("looks at /usr alone where a disk has nothing else, and says what it has not", async () => {
    const sets = [`Output.OutputDirectory=${scratch}/usr`, "Disk.Tree=usr", "Content.KernelCommandLine="];
    const set = sets.flatMap((setting) => ["--set", setting]);
    const { manifest, lint } = await cvmBuildJson<BuildReport>([
      ...["build", "--profile", "minimal", "--profile", "disk"],
      ...set,
    ]);
    expect(manifest.leftOut).toEqual(expect.arrayContaining(["/etc/hostname", "/etc/shadow"]));
    expect(manifest.leftOut?.filter((path) => path.startsWith("/usr/"))).toEqual([]);
    // What has the shell started is a link in /etc, and goes along.
    const wanted = "/usr/lib/systemd/system/multi-user.target.wants/serial-shell.service";
    const shell = { kind: "file", name: wanted, detail: "serial-shell.service" };
    expect(lint!.findings.find(({ rule }) => rule === "root-shell")?.places).toEqual([shell]);
  });

  it("refuses what is no image", async () => {
    const text = join(scratch, "text.efi");
    writeFileSync(text, "no image");
    expect(await cvmBuild(["lint", text])).toMatchObject({ exitCode: 3 });
    const image = readFileSync(join(open.directory, "minimal.efi"));
    image.write(".other", image.indexOf(".linux\0\0"));
    const stub = join(scratch, "stub.efi");
    writeFileSync(stub, image);
    const { exitCode, stderr } = await cvmBuild(["lint", stub]);
    expect(exitCode).toBe(3);
    expect(stderr).toContain(`cannot lint "${stub}": expected a UKI or a kernel, got kind stub`);
    const more = await cvmBuild([
      "lint",
      join(open.directory, "minimal.efi"),
      "--command-line",
      "quiet",
      "--platform",
      "qemu-ovmf",
    ]);
    expect(more).toMatchObject({ exitCode: 2 });
    expect(more.stderr).toContain("expected a kernel, for --initrd and --command-line, got a UKI");
  });
});
