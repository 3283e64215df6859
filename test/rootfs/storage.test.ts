import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TAMPERINGS, tamperLuksHeader } from "../support/luks-header.ts";
import { STORAGE_PEERS, StorageProgram } from "../support/storage-program.ts";
import { debianRoot } from "../support/trixie-root.ts";
import { temporaryFolder } from "./folder-tree.ts";

const root = debianRoot("trixie", STORAGE_PEERS);

describe.skipIf(!root)("the storage program's check of a header that Debian's cryptsetup has made", () => {
  const folder = temporaryFolder();
  const original = join(folder.path, "original");
  const key = join(folder.path, "key");
  const header = join(folder.path, "header");
  let program: StorageProgram;

  beforeAll(() => {
    program = new StorageProgram(root!, folder.path, { key: "runtime", integrity: false });
    writeFileSync(key, "a key that is long enough for this test");
    format("--cipher=aes-xts-plain64", "--key-size=512");
    copyFileSync(header, original);
  });

  afterAll(() => folder[Symbol.dispose]());

  /** As the program does, with other options in between. */
  function format(...options: string[]): void {
    const disk = join(folder.path, "disk");
    writeFileSync(header, "");
    truncateSync(header, 16 << 20);
    writeFileSync(disk, "");
    truncateSync(disk, 32 << 20);
    const sizes = ["--offset=32768", "--luks2-metadata-size=16k", "--luks2-keyslots-size=16744448"];
    const kdf = ["--hash=sha256", "--pbkdf=pbkdf2", "--pbkdf-force-iterations=1000", "--sector-size=4096"];
    const args = ["luksFormat", "-q", "--type=luks2", ...sizes, ...kdf, "--header", header, ...options];
    execFileSync(join(folder.path, "cryptsetup"), [...args, "--key-file", key, disk], { stdio: "ignore" });
  }

  it("finds nothing wrong", () => {
    copyFileSync(original, header);
    expect(program.run(["check", header])).toEqual({ status: 0, output: "" });
  });

  it.each(Object.keys(TAMPERINGS))("finds %s", (name) => {
    copyFileSync(original, header);
    tamperLuksHeader(header, TAMPERINGS[name]!);
    const { status, output } = program.run(["check", header]);
    expect(status).toBe(1);
    expect(output).toMatch(/^(it has |it is none|(segments|keyslots)\/0\/)/);
  });

  it.each([
    ["a shorter key", ["--cipher=aes-xts-plain64", "--key-size=256"]],
    ["another sector size", ["--cipher=aes-xts-plain64", "--key-size=512", "--sector-size=512"]],
    ["larger metadata", ["--cipher=aes-xts-plain64", "--key-size=512", "--luks2-metadata-size=32k"]],
  ])("refuses what cryptsetup makes with %s", (_, options) => {
    format(...options);
    expect(program.run(["check", header]).status).toBe(1);
  });

  it("refuses what is not LUKS2", () => {
    writeFileSync(header, "not a header");
    expect(program.run(["check", header])).toEqual({ status: 1, output: "it is none of LUKS2" });
  });
});

describe.skipIf(!root)("the storage program looks for its disk", () => {
  const folder = temporaryFolder();
  let program: StorageProgram;
  const pci = "sys/devices/pci0000:00";
  const azure = (controller: string) => `sys/devices/ACPI0004:00/MSFT1000:00/${controller}`;
  const sd = (controller: string, lun: number) => `${azure(controller)}/host0/target0:0:0/0:0:0:${lun}`;

  beforeAll(() => {
    program = new StorageProgram(root!, folder.path, { key: "tpm2", integrity: false });
    disk("vda", `${pci}/virtio0`, { serial: "" });
    disk("vdb", `${pci}/virtio1`, { serial: "data" });
    disk("vdc", `${pci}/virtio2`, { serial: "twin" });
    disk("vdd", `${pci}/virtio3`, { serial: "twin" });
    disk("vde", `${pci}/virtio4`, { serial: "empty", size: "0" });
    disk("nvme0n1", `${pci}/nvme/nvme0`, { "device/serial": "vol0123   \n" });
    disk("sda", sd("os", 0), { "device/vpd_pg80": "\0\x80\0\x09scsi-disk" }, "{f8b3781a-1e82-4818-a1c3-63d806ec15bb}");
    disk("sdb", sd("data", 0), {}, "{f8b3781b-1e82-4818-a1c3-63d806ec15bb}");
    disk("sdc", sd("data", 5), {}, "{f8b3781b-1e82-4818-a1c3-63d806ec15bb}");
    disk("nvme1n4", `${pci}/nvme/nvme1`, { nsid: "4\n", "device/model": "MSFT NVMe Accelerator v1.0   \n" });
    mkdirSync(join(folder.path, "sys/block/loop0"));
  });

  afterAll(() => folder[Symbol.dispose]());

  /** A disk as sysfs shows it, with nothing on it. */
  function disk(name: string, device: string, files: Record<string, string>, controllerId?: string): void {
    mkdirSync(join(folder.path, "sys/block", name), { recursive: true });
    mkdirSync(join(folder.path, device), { recursive: true });
    symlinkSync(join(folder.path, device), join(folder.path, "sys/block", name, "device"));
    for (const [path, text] of Object.entries({ size: "65536", ...files })) {
      writeFileSync(join(folder.path, "sys/block", name, path), text);
    }
    const controller = dirname(dirname(dirname(device)));
    if (controllerId !== undefined) writeFileSync(join(folder.path, controller, "device_id"), `${controllerId}\n`);
    mkdirSync(join(folder.path, "dev"), { recursive: true });
    writeFileSync(join(folder.path, "dev", name), "");
  }

  /** What it says before it would look for the TPM, which is not here. */
  const look = (by: string, name: string) =>
    program.run(["open"], { DISK_BY: by, DISK_NAME: name, KEY: "tpm2", MISSING: "fail", DISK_TIMEOUT: "0" }).output;
  const found = (name: string) => `cvm-storage: refused: /dev/${name}: there is no TPM to keep its key`;

  it.each([
    ["serial", "data", "vdb"],
    ["serial", "vol0123", "nvme0n1"],
    ["serial", "scsi-disk", "sda"],
    ["lun", "0", "sdb"],
    ["lun", "5", "sdc"],
    ["lun", "2", "nvme1n4"],
  ])("by %s:%s", (by, name, expected) => {
    expect(look(by, name)).toBe(found(expected));
  });

  it.each([
    ["serial", "twin", "vdc and vdd are both serial:twin"],
    ["serial", "empty", "no disk is serial:empty"],
    ["serial", "other", "no disk is serial:other"],
    ["lun", "1", "no disk is lun:1"],
    ["label", "data", "no disk is label:data"],
  ])("and refuses where %s:%s is none or two", (by, name, expected) => {
    expect(look(by, name)).toBe(`cvm-storage: refused: ${expected}`);
  });

  it("by the label of LUKS, or else takes the only blank one", () => {
    const bytes = (name: string, content: Buffer) => writeFileSync(join(folder.path, "dev", name), content);
    bytes("vda", Buffer.alloc(17 << 20));
    expect(look("label", "data")).toBe(found("vda"));
    bytes("vdb", Buffer.alloc(17 << 20));
    expect(look("label", "data")).toBe("cvm-storage: refused: vda and vdb are both blank, and no disk is label:data");
    bytes("vdb", Buffer.alloc(17 << 20).fill(1, 9 << 20));
    expect(look("label", "data")).toBe(found("vda"));
    const luks = Buffer.alloc(4096);
    luks.write("LUKS\xba\xbe\0\x02", "latin1");
    luks.write("data", 24);
    bytes("vdc", luks);
    expect(look("label", "data")).toBe(found("vdc"));
    bytes("vdd", luks);
    expect(look("label", "data")).toBe("cvm-storage: refused: vdc and vdd are both label:data");
  });
});
