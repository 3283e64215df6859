import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { contentOf, FileTree, verityPartitionUuids, writeDisk, writeVerity, writeVfat } from "@cvm-build/fs-writer";
import type { Dissection } from "@cvm-build/image";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuild, cvmBuildJson } from "../support/cli.ts";
import { requirePeers } from "../support/peers.ts";
import { debianRoot } from "../support/trixie-root.ts";

const OS_RELEASE = [
  "# a comment",
  "ID=debian",
  'VERSION_ID="13"',
  "PRETTY_NAME='Test image'",
  'PORTABLE_PREFIXES="foo bar"',
  "IMAGE_ID=test",
  "IMAGE_VERSION=7",
  'QUOTED="a \\"b\\" \\$c"',
  "",
].join("\n");

/** Files of trees by path; `/` at the end is an empty directory, `->` in front a symbolic link. */
const TREES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  system: {
    "/usr/lib/os-release": OS_RELEASE,
    "/etc/os-release": "->../usr/lib/os-release",
    "/etc/hostname": "# nobody\n\nreth-node\n",
    "/etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "/etc/machine-info": 'PRETTY_HOSTNAME="A node"\nCHASSIS=vm\n',
    "/usr/lib/systemd/systemd": "#!/bin/false\n",
    "/usr/share/a b#c*d?e[f\\g;h": "odd",
    "/usr/share/Főtanúsítvány.crt": "certificate",
    "/usr/share/empty": "",
    "/usr/share/to": "->a b",
    "/efi/": "",
    "/proc/": "",
  },
  initrd: { "/etc/initrd-release": "ID=debian\n", "/init": "x", "/sbin/init": "->../init" },
  "sysext_1.2": {
    "/usr/lib/extension-release.d/extension-release.sysext":
      'ID=debian\nSYSEXT_SCOPE="system initrd"\nARCHITECTURE=x86-64\n',
    "/usr/bin/tool": "tool",
  },
  confext: { "/etc/extension-release.d/extension-release.confext": "ID=_any\nCONFEXT_SCOPE=portable\n" },
  "plain-sysext": { "/usr/lib/extension-release.d/extension-release.plain-sysext": "ID=debian\n" },
  misnamed: { "/usr/lib/extension-release.d/extension-release.other": "ID=debian\n" },
  nothing: { "/file": "content" },
};

/** What systemd-dissect says too. */
const COMPARED = [
  "sectorSize",
  "imageUuid",
  "hostname",
  "machineId",
  "machineInfo",
  "osRelease",
  "initrdRelease",
  "sysextRelease",
  "confextRelease",
  "useBootableUefi",
  "useBootableContainer",
  "useInitrd",
  "usePortableService",
  "useSystemExtension",
  "useInitRDSystemExtension",
  "usePortableSystemExtension",
  "useConfigurationExtension",
  "useInitRDConfigurationExtension",
  "usePortableConfigurationExtension",
  "mounts",
] as const;

const scratch = mkdtempSync(join(tmpdir(), "cvm-inspect-"));
const place = (name: string): string => join(scratch, name);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function makeFolder(name: string): string {
  const folder = place(`tree-${name}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const [path, content] of Object.entries(TREES[name] ?? {})) {
    const target = join(folder, path);
    mkdirSync(path.endsWith("/") ? target : dirname(target), { recursive: true });
    if (content.startsWith("->")) execFileSync("ln", ["-s", content.slice(2), target]);
    else if (!path.endsWith("/")) writeFileSync(target, content);
  }
  return folder;
}

function makeErofs(name: string): string {
  const image = place(`${name}.raw`);
  execFileSync("mkfs.erofs", ["--all-root", image, makeFolder(name)], { stdio: "pipe" });
  return image;
}

const hasPeers = requirePeers("mkfs.erofs");
const trixie = debianRoot("trixie", ["systemd", "systemd-container", "systemd-repart", "libcryptsetup12"]);

/** Whether it can make loop devices here, which takes root and a kernel that has them. */
function canDissect(): boolean {
  if (!trixie || !hasPeers) return false;
  try {
    trixie.run("usr/bin/systemd-dissect", ["--json=short", makeErofs("nothing")]);
    return true;
  } catch {
    return false;
  }
}

function pick(document: object): Record<string, unknown> {
  const entries = COMPARED.map((key) => [key, (document as Record<string, unknown>)[key]]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** What systemd-dissect says, without the names of devices. */
function dissected(image: string): Record<string, unknown> {
  const document = JSON.parse(trixie!.run("usr/bin/systemd-dissect", ["--json=short", image])) as {
    mounts: Record<string, unknown>[];
  };
  const mounts = document.mounts.map(({ node: _node, ...mount }) => mount);
  return pick({ ...document, mounts });
}

const inspect = (image: string, ...flags: string[]) => cvmBuildJson<Dissection>(["inspect", image, ...flags]);
const listing = async (image: string, form: "list" | "mtree"): Promise<string> =>
  (await cvmBuild(["inspect", image, `--${form}`])).stdout;

describe.skipIf(!canDissect())("inspect beside systemd-dissect of trixie", () => {
  it.each(Object.keys(TREES))("says the same of an image without partitions: %s", async (name) => {
    const image = makeErofs(name);
    expect(pick(await inspect(image))).toEqual(dissected(image));
    expect(await listing(image, "list")).toBe(trixie!.run("usr/bin/systemd-dissect", ["--list", image]));
    expect(await listing(image, "mtree")).toBe(trixie!.run("usr/bin/systemd-dissect", ["--mtree", image]));
  });

  it("says the same of a disk that we wrote", async () => {
    const disk = place("disk.raw");
    const rootHash = await writeTestDisk(disk);
    const report = await inspect(disk);
    expect(pick(report)).toEqual(dissected(disk));
    writeFileSync(place("disk.roothash"), `${rootHash}\n`);
    const withHash = await inspect(disk, "--verify");
    expect(pick(withHash)).toEqual(dissected(disk));
    expect([report, withHash].map(({ mounts }) => mounts?.[0]?.verity)).toEqual(["no", "yes"]);
    expect(report).toMatchObject({ useBootableUefi: true, architecture: "x86-64", imageId: "test", imageVersion: "7" });
  });

  it.skipIf(!requirePeers("veritysetup"))("says the same of an image with a hash tree beside it", async () => {
    const image = place("beside.raw");
    copyFileSync(makeErofs("system"), image);
    truncateSync(image, 64 << 10);
    const output = execFileSync("veritysetup", ["format", image, place("beside.verity")], { encoding: "utf8" });
    const rootHash = /Root hash:\s*(\S+)/.exec(output)?.[1];
    const report = await inspect(image, "--verify");
    expect(pick(report)).toEqual(dissected(image));
    expect(report.contents?.verity).toMatchObject({ rootHash, verification: "verified" });
    writeFileSync(place("beside.roothash"), `${"0".repeat(64)}\n`);
    expect((await cvmBuild(["inspect", image, "--verify"])).exitCode).toBe(1);
  });

  it.skipIf(!requirePeers("openssl", "mkfs.vfat"))(
    "says the same of what systemd-repart makes, and verifies it",
    async () => {
      const disk = place("repart.raw");
      repartDisk(disk);
      const report = await inspect(disk, "--verify");
      expect(pick(report)).toEqual(dissected(disk));
      expect(report.problems).toEqual([]);
      expect(report.mounts?.find(({ designator }) => designator === "root")?.verity).toBe("signed");
      writeFileSync(place("repart.roothash"), `${"0".repeat(64)}\n`);
      expect((await inspect(disk)).problems).toEqual(["the roothash beside the disk is another root hash"]);
      rmSync(place("repart.roothash"));
      const signature = report.partitions?.find(({ type }) => type === "root-verity-sig")?.contents.signature;
      const verity = report.partitions?.find(({ type }) => type === "root-verity")?.contents.verity;
      expect(verity).toMatchObject({ rootHash: signature?.rootHash, verification: "verified" });
      expect(signature?.signer).toBe("CN=test, RSA-2048, sha256");
      expect(signature?.problem).toBeUndefined();
    },
  );

  it.skipIf(!requirePeers("openssl")).each([
    ["sysext", "sysext_1.2", { useSystemExtension: true, useInitRDSystemExtension: true }],
    ["confext", "confext", { usePortableConfigurationExtension: true }],
    ["portable", "system", { usePortableService: true, useBootableContainer: true }],
  ])("says the same of a %s that systemd-repart makes", async (kind, name, uses) => {
    const disk = place(join(kind, `${name}.raw`));
    mkdirSync(place(kind));
    repartImage(kind, { disk, folder: makeFolder(name) });
    const report = await inspect(disk, "--verify");
    expect(pick(report)).toEqual(dissected(disk));
    expect(report).toMatchObject({ ...uses, problems: [] });
  });
});

/** An ESP, a root file system and its hash tree. @returns the root hash */
async function writeTestDisk(output: string): Promise<string> {
  const tree = new FileTree({ mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, origin: { kind: "artifact", name: "esp" } });
  tree.makeDirectories("/EFI/BOOT", { kind: "artifact", name: "esp" });
  tree.set("/EFI/BOOT/BOOTX64.EFI", { ...tree.get("/")!, kind: "file", content: contentOf("MZ") });
  const esp = place("esp.img");
  const written = await writeVfat(tree, { output: esp, variant: "fat32", label: "ESP", serial: 7, mtimeClampSec: 0 });
  const root = makeErofs("system");
  const verity = { formatVersion: 1, algorithm: "sha256", salt: Buffer.alloc(32, 7) } as const;
  const uuid = "3e1f5a3c-5b0e-4f6b-9a2d-0c3b1f2a7d11";
  const { rootHash } = await writeVerity({ path: root }, { ...verity, uuid, output: place("root.hashes") });
  const uuids = verityPartitionUuids(rootHash);
  await writeDisk({
    output,
    diskUuid: "0e1f5a3c-5b0e-4f6b-9a2d-0c3b1f2a7d11",
    architecture: "x86-64",
    partitions: [
      {
        type: "esp",
        uuid: "1e1f5a3c-5b0e-4f6b-9a2d-0c3b1f2a7d11",
        label: "esp",
        sizeBytes: written.sizeBytes,
        content: { path: esp },
      },
      {
        type: "root",
        uuid: uuids.data,
        label: "root-x86-64",
        sizeBytes: 1 << 20,
        content: { path: root },
        flags: ["read-only"],
      },
      {
        type: "root-verity",
        uuid: uuids.verity,
        label: "root-x86-64-verity",
        sizeBytes: 1 << 20,
        content: { path: place("root.hashes") },
        flags: ["read-only"],
      },
    ],
  });
  return rootHash;
}

/** A disk with an EFI system partition, a signed root, and more than one block of data. */
function repartDisk(disk: string): void {
  const definitions = place("repart.d");
  mkdirSync(definitions);
  const define = (name: string, ...lines: string[]): void =>
    writeFileSync(join(definitions, `${name}.conf`), ["[Partition]", ...lines, ""].join("\n"));
  define("10-esp", "Type=esp", "Format=vfat", "SizeMinBytes=40M");
  define("20-root", "Type=root", "Format=erofs", "CopyFiles=/", "Verity=data", "VerityMatchKey=root", "Minimize=best");
  define("30-verity", "Type=root-verity", "Verity=hash", "VerityMatchKey=root", "Minimize=best");
  define("40-signature", "Type=root-verity-sig", "Verity=signature", "VerityMatchKey=root");
  const folder = makeFolder("system");
  writeFileSync(join(folder, "usr/share/large"), Buffer.alloc(1 << 20, "large"));
  repart({ disk, definitions, folder });
}

/** An extension or a portable service as systemd's own definitions have it, but for the file system. */
function repartImage(kind: string, { disk, folder }: { disk: string; folder: string }): void {
  const definitions = place(`${kind}.repart.d`);
  const shipped = join(trixie!.path, "usr/lib/systemd/repart/definitions", `${kind}.repart.d`);
  mkdirSync(definitions);
  for (const name of readdirSync(shipped)) {
    const text = readFileSync(join(shipped, name), "utf8").replace(/^Format=.*$/m, "Format=erofs");
    writeFileSync(join(definitions, name), text);
  }
  repart({ disk, definitions, folder });
}

function repart({ disk, definitions, folder }: { disk: string; definitions: string; folder: string }): void {
  const [key, certificate] = [place("key.pem"), place("certificate.pem")];
  if (!existsSync(key)) {
    const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-days", "30"];
    execFileSync("openssl", [...request, "-keyout", key, "-out", certificate], { stdio: "pipe" });
  }
  const [loader, ...command] = trixie!.command("usr/bin/systemd-repart");
  const flags = [
    "--empty=create",
    "--size=auto",
    "--offline=yes",
    "--dry-run=no",
    "--seed=0e1f5a3c5b0e4f6b9a2d0c3b1f2a7d11",
    `--definitions=${definitions}`,
    `--root=${folder}`,
    `--private-key=${key}`,
    `--certificate=${certificate}`,
    disk,
  ];
  const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
  execFileSync(loader, [...command, ...flags], { stdio: "pipe", env });
}

describe.skipIf(!trixie || !hasPeers)("inspect of a folder beside systemd-dissect", () => {
  it.each(Object.keys(TREES))("lists the same files: %s", async (name) => {
    const folder = makeFolder(name);
    execFileSync("mkfifo", [join(folder, "fifo")]);
    expect(await listing(folder, "list")).toBe(trixie!.run("usr/bin/systemd-dissect", ["--list", folder]));
    expect(await listing(folder, "mtree")).toBe(trixie!.run("usr/bin/systemd-dissect", ["--mtree", folder]));
    expect((await inspect(folder)).format).toBe("directory");
  });
});

describe.skipIf(!hasPeers)("inspect", () => {
  let disk: string;
  let plain: Dissection;
  beforeAll(async () => {
    disk = place("packed.raw");
    await writeTestDisk(disk);
    plain = await inspect(disk);
  });

  /** What there is to say whatever the disk is packed in. */
  const contentsOf = ({ name: _name, layers: _layers, imageName: _imageName, ...rest }: Dissection) => rest;

  it
    .skipIf(!requirePeers("qemu-img", "tar", "gzip", "zstd", "xz"))
    .each<[name: string, layers: string[], make: (target: string) => void]>([
      ["disk.qcow2", ["qcow2"], (target) => convert("qcow2", target)],
      ["compressed.qcow2", ["qcow2"], (target) => convert("qcow2", target, "-c")],
      ["disk.vhd", ["vhd"], (target) => convert("vpc", target, "-o", "subformat=fixed,force_size")],
      ["disk.tar.gz", ["gzip", "tar"], (target) => pack(target, "--format=oldgnu", "-Sz")],
      ["plain.tar.xz", ["xz", "tar"], (target) => pack(target, "--format=ustar", "-J")],
      ["disk.raw.zst", ["zstd"], (target) => execFileSync("zstd", ["-q", disk, "-o", target])],
    ])("finds the disk in %s", async (name, layers, make) => {
    const target = place(name);
    make(target);
    const report = await inspect(target);
    expect(report.layers).toEqual(layers);
    expect(contentsOf(report)).toEqual(contentsOf(plain));
  });

  function convert(format: string, target: string, ...flags: string[]): void {
    execFileSync("qemu-img", ["convert", ...flags, "-O", format, disk, target], { stdio: "pipe" });
  }

  function pack(target: string, ...flags: string[]): void {
    const folder = `${target}.folder`;
    mkdirSync(folder);
    execFileSync("cp", ["--sparse=always", disk, join(folder, "disk.raw")]);
    execFileSync("tar", ["-C", folder, ...flags, "-cf", target, "disk.raw"]);
  }

  it.skipIf(!requirePeers("cpio", "tar", "gzip", "xz", "zstd"))(
    "lists the same files in whatever they are packed",
    async () => {
      const folder = makeFolder("system");
      const names = execFileSync("find", [".", "-print0"], { cwd: folder });
      const cpio = execFileSync("cpio", ["-o0", "--quiet", "-H", "newc", "-R", "+0:+0"], { cwd: folder, input: names });
      const small = execFileSync("cpio", ["-o", "--quiet", "-H", "newc", "-R", "+0:+0"], { cwd: folder, input: "" });
      writeFileSync(place("initrd.cpio"), cpio);
      writeFileSync(place("initrd.xz"), execFileSync("xz", ["-c", "--check=crc32"], { input: cpio }));
      writeFileSync(place("initrd.img"), Buffer.concat([small, execFileSync("gzip", ["-c"], { input: cpio })]));
      for (const [name, flag] of Object.entries({
        "t.tar": "-S",
        "t.tar.gz": "-z",
        "t.tar.xz": "-J",
        "t.tar.zst": "--zstd",
      })) {
        execFileSync("tar", ["-C", folder, "--owner=0", "--group=0", flag, "-cf", place(name), "."]);
      }
      const expected = await listing(makeErofs("system"), "mtree");
      for (const name of ["initrd.cpio", "initrd.xz", "initrd.img", "t.tar", "t.tar.gz", "t.tar.xz", "t.tar.zst"]) {
        expect(await listing(place(name), "mtree"), name).toBe(expected);
      }
    },
  );

  it("shows the EFI system partition where the system would mount it", async () => {
    const paths = (await listing(disk, "list")).split("\n");
    expect(paths).toContain("efi/EFI/BOOT/BOOTX64.EFI");
    expect(paths).toContain("usr/lib/systemd/systemd");
  });

  it("prints it for people as systemd-dissect does, and partitions", async () => {
    const { stdout } = await cvmBuild(["inspect", disk]);
    expect(stdout).toContain(
      ` File Name: packed.raw\n      Size: 37M\n Sec. Size: 512\n     Arch.: x86-64\n    Format: gpt\n`,
    );
    expect(stdout).toContain("OS Release: ID=debian\n            VERSION_ID=13\n");
    expect(stdout).toContain("    Use As: ✓ bootable system for UEFI\n            ✓ bootable system for container\n");
    expect(stdout).toMatch(/^ro +root +\S+ +root-x86-64 +erofs +x86-64 +no +no +2$/m);
    expect(stdout).toMatch(/^ +1 +esp +0x100000 +33\.0 MiB +- +vfat "ESP" variant=fat32/m);
  });

  it.skipIf(!requirePeers("cryptsetup"))("says that a volume is encrypted", async () => {
    const image = place("luks.img");
    writeFileSync(image, "");
    truncateSync(image, 20 << 20);
    const flags = ["--type", "luks2", "--label", "data", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
    execFileSync("cryptsetup", ["-q", "luksFormat", ...flags, image, "-"], { input: "secret" });
    const uuid = execFileSync("cryptsetup", ["luksUUID", image], { encoding: "utf8" }).trim();
    expect(await inspect(image)).toMatchObject({
      format: "luks",
      contents: { fstype: "crypto_LUKS", uuid, label: "data", facts: { version: 2 } },
    });
    expect((await cvmBuild(["inspect", image, "--list"], {})).stderr).toContain("cannot list files");
  });

  it("fails to verify what is damaged, and what has nothing to verify", async () => {
    const { exitCode: nothing, stderr } = await cvmBuild(["inspect", makeErofs("nothing"), "--verify"]);
    expect([nothing, stderr]).toEqual([1, expect.stringContaining("expected a hash tree, got none")]);
    if (!existsSync(place("repart.raw"))) return;
    const damaged = Buffer.from(readFileSync(place("repart.raw")));
    const at = damaged.indexOf("largelargelarge");
    damaged[at] = 0;
    writeFileSync(place("damaged.raw"), damaged);
    const { exitCode, stdout } = await cvmBuild(["inspect", place("damaged.raw"), "--verify"]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain("root is damaged: cannot decode verity data, block ");
  });

  it("says of other bytes that it does not know them", async () => {
    writeFileSync(place("text"), "some text");
    writeFileSync(place("zeros"), Buffer.alloc(5000));
    const { exitCode, stderr } = await cvmBuild(["inspect", place("text")]);
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining("cannot decode image: expected a format")]);
    expect(stderr).toContain(`cannot read image "${place("text")}"`);
    expect((await inspect(place("zeros"))).format).toBe("empty");
    writeFileSync(place("nothing"), "");
    expect((await inspect(place("nothing"))).format).toBe("empty");
  });
});
