import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256Hex } from "@cvm-build/bytes";
import { writeDisk } from "@cvm-build/fs-writer";
import type { ExtractReport, UkiInspection } from "@cvm-build/image";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuild, cvmBuildJson } from "../support/cli.ts";
import { requirePeers } from "../support/peers.ts";
import { debianRoot } from "../support/trixie-root.ts";
import { debianStub } from "../support/uki-parts.ts";

const MTIME_SEC = 1_700_000_000;
const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;

const scratch = mkdtempSync(join(tmpdir(), "cvm-extract-"));
const place = (name: string): string => join(scratch, name);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const run = (program: string, ...args: string[]): Buffer => execFileSync(program, args, { stdio: "pipe" });
const extract = (...args: string[]) => cvmBuildJson<ExtractReport>(["extract", ...args]);

/** A folder of what a user without root may make, and what its image has beyond that. */
function makeSource(folder: string): void {
  mkdirSync(join(folder, "usr/bin"), { recursive: true });
  mkdirSync(join(folder, "closed"));
  writeFileSync(join(folder, "usr/bin/tool"), "tool".repeat(100_000), { mode: 0o755 });
  linkSync(join(folder, "usr/bin/tool"), join(folder, "usr/bin/again"));
  writeFileSync(join(folder, "usr/bin/su"), "su");
  chmodSync(join(folder, "usr/bin/su"), 0o4755);
  writeFileSync(join(folder, "closed/secret"), "secret", { mode: 0o600 });
  writeFileSync(join(folder, "a b\n#c"), "odd");
  symlinkSync("usr/bin", join(folder, "bin"));
  symlinkSync("/etc/passwd", join(folder, "out"));
  chmodSync(join(folder, "closed"), 0o500);
  for (const path of ["usr/bin/tool", "usr/bin/su", "closed/secret", "a b\n#c", "usr/bin", "usr", "closed", "."]) {
    utimesSync(join(folder, path), MTIME_SEC, MTIME_SEC);
  }
}

describe.skipIf(!requirePeers("mkfs.erofs", "tar", "mkfifo"))("extract", () => {
  const folder = place("source");
  const image = place("root.erofs");
  beforeAll(() => {
    mkdirSync(folder, { mode: 0o755 });
    makeSource(folder);
    run("mkfifo", "-m", "644", join(folder, "pipe"));
    run("mkfs.erofs", "--all-root", image, folder);
    chmodSync(scratch, 0o777);
  });

  it.skipIf(!isRoot)("takes all files out as a user without root, and says what a folder cannot have", async () => {
    const output = place("as-nobody");
    const args = ["extract", image, "--output", output, "--json"];
    const { stdout, stderr, exitCode } = await cvmBuild(args, { userId: NOBODY, umask: "077" });
    expect(exitCode, stderr).toBe(0);
    const report = JSON.parse(stdout) as ExtractReport;
    expect(report).toMatchObject({ files: 5, directories: 4, symlinks: 2, manifest: `${output}.mtree`, parts: [] });
    expect(report.notMade).toEqual([
      { path: "/pipe", what: "fifo" },
      { path: "/usr/bin/su", what: "mode 4755" },
    ]);
    for (const path of ["usr/bin/tool", "usr/bin/su", "closed/secret", "a b\n#c"]) {
      const [own, original] = [lstatSync(join(output, path)), lstatSync(join(folder, path))];
      expect(readFileSync(join(output, path)).equals(readFileSync(join(folder, path))), path).toBe(true);
      expect([own.mode & 0o7777, own.mtimeMs, own.uid]).toEqual([original.mode & 0o777, MTIME_SEC * 1000, NOBODY]);
    }
    expect(lstatSync(join(output, "usr/bin/again")).ino).toBe(lstatSync(join(output, "usr/bin/tool")).ino);
    expect([readlinkSync(join(output, "bin")), readlinkSync(join(output, "out"))]).toEqual(["usr/bin", "/etc/passwd"]);
    expect(existsSync(join(output, "pipe"))).toBe(false);
    expect(readdirSync(scratch).filter((name) => name.startsWith(".as-nobody"))).toEqual([]);
  });

  const trixie = debianRoot("trixie", ["libarchive-tools"]);
  it.skipIf(!trixie)("writes a manifest of which bsdtar makes an archive with what is missing", async () => {
    const output = place("for-bsdtar");
    await extract(image, "--output", output);
    const archive = place("from-manifest.tar");
    trixie!.run("usr/bin/bsdtar", ["-cf", archive, "-C", output, `@${output}.mtree`]);
    const lines = run("tar", "-tvf", archive, "--numeric-owner").toString();
    expect(lines).toMatch(/^-rwsr-xr-x 0\/0 +2 .* \.\/usr\/bin\/su$/m);
    expect(lines).toMatch(/^prw-r--r-- 0\/0 .* \.\/pipe$/m);
  });

  it("takes out paths, through links on the way, with the directories above them", async () => {
    const output = place("paths");
    await extract(image, "/bin/su", "/closed", "--output", output);
    const found = readdirSync(output, { recursive: true, encoding: "utf8" }).sort();
    expect(found).toEqual(["closed", "closed/secret", "usr", "usr/bin", "usr/bin/su"]);
  });

  it("takes out partitions by number, type and label", async () => {
    const disk = place("disk.raw");
    const uuid = (digit: number): string => `${digit}e1f5a3c-5b0e-4f6b-9a2d-0c3b1f2a7d11`;
    await writeDisk({
      output: disk,
      diskUuid: uuid(0),
      architecture: "x86-64",
      partitions: [
        { type: "root", uuid: uuid(1), label: "system", sizeBytes: 1 << 20, content: { path: image } },
        { type: "var", uuid: uuid(2), label: "data", sizeBytes: 1 << 20 },
      ],
    });
    const all = place("all");
    expect((await extract(disk, "--output", all)).parts).toEqual(["1-root.raw", "2-var.raw"]);
    const content = readFileSync(join(all, "1-root.raw"));
    const start = run("dd", `if=${disk}`, "bs=1M", "skip=1", "count=1", "status=none");
    expect(content.equals(start)).toBe(true);
    expect(readFileSync(join(all, "2-var.raw")).every((byte) => byte === 0)).toBe(true);
    const one = place("one");
    expect((await extract(disk, "partition:data", "/usr/bin/su", "--output", one)).parts).toEqual(["2-var.raw"]);
    expect(readFileSync(join(one, "usr/bin/su"), "utf8")).toBe("su");
    const { stderr, exitCode } = await cvmBuild(["extract", disk, "partition:3", "--output", place("none")]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('cannot extract "partition:3": expected one of partition:1 (root), partition:2 (var)');
    expect(existsSync(place("none"))).toBe(false);
  });

  const stub = debianStub("trixie");
  it.skipIf(!stub || !requirePeers("objcopy"))("takes out sections of a UKI", async () => {
    writeFileSync(place("cmdline"), "console=ttyS0");
    writeFileSync(place("osrel"), "ID=debian\n");
    const uki = place("uki.efi");
    run(
      "objcopy",
      ...["--add-section", `.osrel=${place("osrel")}`, "--change-section-vma", ".osrel=0x14f000000"],
      ...["--add-section", `.cmdline=${place("cmdline")}`, "--change-section-vma", ".cmdline=0x14f100000"],
      stub!,
      uki,
    );
    const report = await cvmBuildJson<UkiInspection>(["inspect", uki]);
    const output = place("sections");
    await extract(uki, "--output", output);
    for (const { name, sha256 } of report.sections) {
      expect(sha256Hex(readFileSync(join(output, name.slice(1)))), name).toBe(sha256);
    }
    expect(readFileSync(join(output, "cmdline"), "utf8").replace(/\0+$/, "")).toBe("console=ttyS0");
    await extract(uki, ".osrel", "--output", place("one-section"));
    expect(readdirSync(place("one-section"))).toEqual(["osrel"]);
  });

  it("writes nothing over what is there", async () => {
    const output = place("taken");
    mkdirSync(output);
    await extract(image, "--output", output);
    const before = readFileSync(`${output}.mtree`, "utf8");
    const again = await cvmBuild(["extract", image, "--output", output]);
    expect([again.exitCode, again.stderr.includes("expected nothing there")]).toEqual([1, true]);
    rmSync(output, { recursive: true });
    const beside = await cvmBuild(["extract", image, "--output", output]);
    expect([beside.exitCode, beside.stderr.includes("taken.mtree")]).toEqual([1, true]);
    expect(existsSync(output)).toBe(false);
    expect(readFileSync(`${output}.mtree`, "utf8")).toBe(before);
  });

  it("shows a name with a line end in one line, and gives it to programs as it is", async () => {
    const { stdout } = await cvmBuild(["inspect", image, "--list"]);
    expect(stdout.split("\n").slice(0, 2)).toEqual(["a b\ufffd#c", "bin"]);
    const { entries } = await cvmBuildJson<{ entries: string[] }>(["inspect", image, "--list"]);
    expect(entries[0]).toBe("a b\n#c");
  });

  it("leaves nothing where a link stands in place of the folder", async () => {
    mkdirSync(place("empty"));
    symlinkSync("empty", place("linked"));
    const { stderr, exitCode } = await cvmBuild(["extract", image, "--output", place("linked")]);
    expect([exitCode, stderr.includes("expected nothing there")]).toEqual([1, true]);
    expect(existsSync(place("linked.mtree"))).toBe(false);
    expect(readdirSync(place("empty"))).toEqual([]);
  });

  it("leaves nothing where an image is damaged", async () => {
    const damaged = Buffer.from(readFileSync(image));
    damaged.fill(0xff, 1024 + 64, 4096);
    writeFileSync(place("damaged.erofs"), damaged);
    const before = readdirSync(scratch);
    const { exitCode } = await cvmBuild(["extract", place("damaged.erofs"), "--output", place("from-damaged")]);
    expect(exitCode).toBe(3);
    expect(readdirSync(scratch)).toEqual(before);
  });

  it.each<[what: string, make: (archive: string) => void, message?: string]>([
    [
      "a name that leads out",
      (archive) => run("tar", "-cPf", archive, "--transform=s,^.*$,../../escaped,", image),
      'without ".."',
    ],
    ["an absolute name", (archive) => run("tar", "-cPf", archive, `--transform=s,^.*$,${scratch}/escaped,`, image)],
    [
      "a link to the outside, and a file behind it",
      (archive) => {
        const trap = place("trap");
        rmSync(trap, { recursive: true, force: true });
        mkdirSync(trap);
        symlinkSync(scratch, join(trap, "link"));
        run("tar", "-C", trap, "-cf", archive, "link");
        run("tar", "-rPf", archive, "--transform=s,^.*$,link/escaped,", image);
      },
      "expected a directory for",
    ],
  ])("stays in its folder in spite of %s", async (_what, make, message) => {
    const archive = place("hostile.tar");
    make(archive);
    const output = place("hostile");
    rmSync(output, { recursive: true, force: true });
    rmSync(`${output}.mtree`, { force: true });
    const { exitCode, stderr } = await cvmBuild(["extract", archive, "--output", output]);
    expect([exitCode, stderr]).toEqual(message === undefined ? [0, ""] : [3, expect.stringContaining(message)]);
    expect(existsSync(place("escaped"))).toBe(false);
    expect(existsSync(join(scratch, "../escaped"))).toBe(false);
    if (message === undefined) expect(existsSync(join(output, scratch, "escaped"))).toBe(true);
  });
});
