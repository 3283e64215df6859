import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { BuildReport } from "@cvm-build/image";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CliOptions, cvmBuild, cvmBuildJson, REPOSITORY } from "../support/cli.ts";
import { type JsonSchema, schemaViolations } from "../support/json-schema.ts";
import { requirePeers } from "../support/peers.ts";
import { type DebianRoot, debianRoot } from "../support/trixie-root.ts";

/** `nobody` on Debian. */
const OTHER_USER = 65534;
const isRoot = process.getuid?.() === 0;

const schema = (name: string) =>
  JSON.parse(readFileSync(join(REPOSITORY, `docs/schemas/${name}.schema.json`), "utf8")) as JsonSchema;

function expectDocumented({ manifest, measurements }: BuildReport): void {
  expect(schemaViolations(manifest, schema("manifest"))).toEqual([]);
  expect(schemaViolations(measurements, schema("measurements"))).toEqual([]);
  const image = manifest.outputs.find(({ name }) => name === manifest.image.file);
  expect(measurements.image.sha256).toBe(image?.sha256);
}

describe.skipIf(!requirePeers("tar", "cpio", "zstd"))("the tree alone", () => {
  let scratch: string;
  let lock: string;

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), "cvm-layouts-"));
    chmodSync(scratch, 0o755);
    lock = join(scratch, "tree.lock");
    await cvmBuildJson(["lock", "--profile", "minimal", "--set", "Format=tar", "--output", lock]);
  });

  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  function build(format: string, name: string, options: CliOptions = {}): Promise<BuildReport> {
    const output = join(scratch, name);
    if (!existsSync(output)) mkdirSync(output);
    if (options.userId !== undefined) chownSync(output, options.userId, options.userId);
    const settings = [`Format=${format}`, `OutputDirectory=${output}`].flatMap((setting) => ["--set", setting]);
    return cvmBuildJson(["build", "--profile", "minimal", "--lock", lock, ...settings], options);
  }

  const lines = (text: string) => text.trimEnd().split("\n");

  it("is the same tree in a tar, in a cpio and in a folder with its specification", async () => {
    const [tar, cpio, folder] = [
      await build("tar", "tar"),
      await build("cpio", "cpio"),
      await build("directory", "directory"),
    ];
    for (const report of [tar, cpio, folder]) expectDocumented(report);
    expect(tar.lint).toBeUndefined();
    expect(tar.manifest.stub).toBeUndefined();
    expect(tar.manifest.packages.map(({ role }) => role)).not.toContain("stub");
    expect(cpio.manifest.image.file).toBe("minimal.cpio.zst");

    const options = ["--quoting-style=literal", "--zstd", "-tf", join(tar.directory, "minimal.tar.zst")];
    const names = lines(execFileSync("tar", options, { encoding: "utf8" })).map((name) =>
      name.replace(/\/$/, "").replace(/^\.$/, ""),
    );
    const archive = execFileSync("zstd", ["-dc", join(cpio.directory, "minimal.cpio.zst")], { maxBuffer: 1 << 28 });
    const packed = lines(execFileSync("cpio", ["-t", "--quiet"], { input: archive, encoding: "utf8" }));
    expect(packed.map((name) => `./${name}`.replace("./.", ".")).map((name) => (name === "." ? "" : name))).toEqual(
      names,
    );
    const specified = lines(readFileSync(join(folder.directory, "minimal.mtree"), "utf8"))
      .filter((line) => !line.startsWith("#"))
      .map((line) => line.split(" ")[0]!)
      .map((name) => name.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8))));
    expect(specified.map((name) => (name === "." ? "" : name))).toEqual(names);
    expect(specified.length).toBe(folder.manifest.tree.entries);
    expect(lstatSync(join(folder.directory, "minimal.root/usr/lib/systemd/systemd")).isFile()).toBe(true);
  });

  it.skipIf(!isRoot)("is the same of another user with another umask, who may make no devices", async () => {
    const environment = { TZ: "Pacific/Kiritimati", HOME: scratch };
    const store = join(scratch, "store");
    mkdirSync(store);
    chownSync(store, OTHER_USER, OTHER_USER);
    const theirs = await build("directory", "theirs", { umask: "077", userId: OTHER_USER, store, environment });
    const ours = await build("directory", "ours", { umask: "022" });
    expect(theirs.measurements).toEqual(ours.measurements);
    const look = (directory: string): string[] =>
      readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
        const path = join(directory, entry.name);
        const { mode, mtimeMs, size } = lstatSync(path);
        const line = `${entry.name} ${mode.toString(8)} ${mtimeMs} ${entry.isFile() ? size : ""}`;
        return entry.isDirectory() ? [line, ...look(path)] : [line];
      });
    const root = "minimal.root";
    expect(look(join(theirs.directory, root))).toEqual(look(join(ours.directory, root)));
  });

  it("is up to date until a file of it changes", async () => {
    await build("directory", "directory");
    const again = await build("directory", "directory");
    expect(again.upToDate).toBe(true);
    writeFileSync(join(again.directory, "minimal.root/etc/hostname"), "other\n");
    expect((await build("directory", "directory")).upToDate).toBe(false);
  });
});

describe.skipIf(!requirePeers("openssl"))("extensions and portable services", () => {
  let project: string;
  let systemd: DebianRoot | undefined;

  beforeAll(async () => {
    systemd = debianRoot("trixie", ["systemd-repart", "systemd-container", "systemd", "libcryptsetup12"]);
    project = mkdtempSync(join(tmpdir(), "cvm-extensions-"));
    const files = {
      "cvm.conf": "[Content]\nWithDocs=no\nSourceDateEpoch=1757635200\n",
      "profiles/base/cvm.conf": "[Output]\nImageId=base\n[Content]\nPackages=libc6 base-files\nWithEssential=no\n",
      "profiles/tools/cvm.conf":
        "[Output]\nFormat=sysext\nImageId=tools\n[Content]\nPackages=jq\n[Extension]\nBase=base\nScope=system initrd\n[Disk]\nCompression=zstd\n",
      "profiles/conf/cvm.conf":
        "[Output]\nFormat=confext\nImageId=conf\n[Content]\nExtraTrees=tree\n[Validation]\nVerityKey=../../key.pem\nVerityCertificate=../../certificate.pem\n[Extension]\nId=_any\n",
      "profiles/conf/tree/etc/tools/tools.conf": "a=1\n",
      "profiles/service/cvm.conf":
        "[Output]\nFormat=portable\nImageId=service\n[Content]\nPackages=jq base-files\nWithEssential=no\nExtraTrees=tree\n[Disk]\nCompression=lz4\n",
      "profiles/service/tree/usr/lib/systemd/system/service.service": "[Service]\nExecStart=/usr/bin/jq --version\n",
    };
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(project, name)), { recursive: true });
      writeFileSync(join(project, name), text);
    }
    const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=verity", "-days", "30"];
    const key = ["-keyout", join(project, "key.pem"), "-out", join(project, "certificate.pem")];
    execFileSync("openssl", [...request, ...key], { stdio: "ignore" });
    await cvmBuildJson(["lock", "--profile", "base"], { cwd: project });
  });

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  const build = (name: string, args: readonly string[] = []): Promise<BuildReport> =>
    cvmBuildJson(["build", "--profile", name, ...args], { cwd: project });

  interface Dissected {
    mounts: { designator: string; fstype: string; verity: string | null }[];
    [field: string]: unknown;
  }

  /** What systemd makes of an image, and whether it would mount it under a policy. */
  function dissect({ directory, manifest }: BuildReport, policy: string): Dissected {
    const image = join(directory, manifest.image.file);
    expect(systemd!.run("usr/bin/systemd-dissect", ["--validate", `--image-policy=${policy}`, image])).toContain("OK");
    return JSON.parse(systemd!.run("usr/bin/systemd-dissect", ["--json=short", image])) as Dissected;
  }

  const partitions = ({ mounts }: Dissected) =>
    mounts.map(({ designator, fstype, verity }) => [designator, fstype, verity]);

  it("systemd knows a system extension, which holds nothing that its base has", async (context) => {
    const report = await build("tools");
    expectDocumented(report);
    const names = report.manifest.packages.map(({ name }) => name);
    expect(names).toContain("jq");
    expect(names).not.toContain("libc6");
    expect(readFileSync(join(report.directory, "tools.roothash"), "utf8")).toBe(
      `${report.manifest.fileSystem?.verity.rootHash}\n`,
    );
    if (!systemd) return context.skip();
    const found = dissect(report, "root=verity:=absent");
    expect(found).toMatchObject({
      architecture: "x86-64",
      useSystemExtension: true,
      useInitRDSystemExtension: true,
      usePortableSystemExtension: false,
      useConfigurationExtension: false,
      usePortableService: false,
    });
    expect(found["sysextRelease"]).toEqual([
      "ID=debian",
      "VERSION_ID=13",
      "SYSEXT_SCOPE=system initrd",
      "ARCHITECTURE=x86-64",
      "SYSEXT_IMAGE_ID=tools",
      "SYSEXT_IMAGE_VERSION=0",
    ]);
    expect(partitions(found)).toEqual([
      ["root", "erofs", "yes"],
      ["root-verity", "DM_verity_hash", null],
    ]);
  });

  it("systemd knows a signed configuration extension", async (context) => {
    const report = await build("conf");
    expectDocumented(report);
    if (!systemd) return context.skip();
    const found = dissect(report, "root=signed:=absent");
    expect(found).toMatchObject({ useConfigurationExtension: true, useSystemExtension: false });
    expect(found["confextRelease"]).toContain("ID=_any");
    expect(partitions(found)).toEqual([
      ["root", "erofs", "signed"],
      ["root-verity", "DM_verity_hash", null],
      ["root-verity-sig", "verity_hash_signature", null],
    ]);
    const signature = join(report.directory, "conf.roothash.p7s");
    const content = join(project, "root-hash");
    writeFileSync(content, report.manifest.fileSystem?.verity.rootHash ?? "");
    const verify = ["cms", "-verify", "-binary", "-inform", "DER", "-in", signature, "-content", content];
    const trust = ["-CAfile", join(project, "certificate.pem"), "-purpose", "any", "-out", "/dev/null"];
    execFileSync("openssl", [...verify, ...trust], { stdio: "ignore" });
  });

  it("systemd knows a portable service, without dm-verity where nobody wants it", async (context) => {
    const report = await build("service", ["--set", "Verity=no"]);
    expectDocumented(report);
    expect(report.manifest.fileSystem).toBeUndefined();
    if (!systemd) return context.skip();
    const found = dissect(report, "root=unprotected:=absent");
    expect(found).toMatchObject({ usePortableService: true, useSystemExtension: false });
    expect(partitions(found)).toEqual([["root", "erofs", "no"]]);
  });

  it("are the same bytes whoever builds them", async () => {
    const digest = async (args: readonly string[], options: CliOptions = {}) => {
      const settings = ["--profile", "tools", "--force", "--set", `OutputDirectory=${join(project, "again")}`];
      const report = await cvmBuildJson<BuildReport>(["build", ...settings, ...args], { cwd: project, ...options });
      return report.manifest.outputs;
    };
    const first = await digest(["--jobs", "1"]);
    expect(await digest(["--jobs", "3"], { umask: "077", environment: { TZ: "Asia/Tokyo", LC_ALL: "C" } })).toEqual(
      first,
    );
  });

  it.each([
    ["tools", ["Enable=a.service"], "cannot apply"],
    [
      "conf",
      ["ExtraTrees=profiles/service/tree"],
      'cannot make a confext with "/usr/lib/systemd/system/service.service"',
    ],
    ["service", ["ImageId=other"], 'expected a unit "other.service"'],
  ])("%s refuses %j", async (name, settings, message) => {
    const args = settings.flatMap((setting) => ["--set", setting]);
    const { exitCode, stderr } = await cvmBuild(["build", "--profile", name, ...args], { cwd: project });
    expect([exitCode, stderr]).toEqual([expect.any(Number), expect.stringContaining(message)]);
    expect(exitCode).not.toBe(0);
    expect(exitCode).not.toBe(70);
  });
});
