import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
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

  function format(...options: string[]): void {
    writeFileSync(header, "");
    truncateSync(header, 16 << 20);
    formatHeader(folder.path, "header", options);
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

  it("finds what only the second copy says, where that one is newer", () => {
    copyFileSync(original, header);
    tamperLuksHeader(header, TAMPERINGS["data that is not encrypted"]!, { copies: "second" });
    expect(program.run(["check", header]).output).toBe('segments/0/encryption is "cipher_null-ecb"');
  });

  it("reads the second copy where the first was not written to its end", () => {
    const bytes = readFileSync(original);
    writeFileSync(header, bytes.fill(0, 0, 4096));
    expect(program.run(["check", header])).toEqual({ status: 0, output: "" });
    writeFileSync(header, bytes.fill(0, 16 << 10, 32 << 10));
    expect(program.run(["check", header])).toEqual({ status: 1, output: "it is none of LUKS2" });
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
    partition("vda1", { PARTNAME: "ESP", PARTUUID: "11111111-2222-3333-4444-555555555555" });
    partition("vda2", { PARTNAME: "data", PARTUUID: "11111111-2222-3333-4444-666666666666" });
    partition("vda3", { PARTNAME: "twin" });
    partition("vdb1", { PARTNAME: "twin" });
    partition("vdb2", {});
    mkdirSync(join(folder.path, "sys/class/block/vda"));
    writeFileSync(join(folder.path, "sys/class/block/vda/uevent"), "PARTNAME=data\nMAJOR=252\n");
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

  /** A partition as sysfs of Linux 6.12 shows it. */
  function partition(name: string, event: Record<string, string>): void {
    const directory = join(folder.path, "sys/class/block", name);
    mkdirSync(directory, { recursive: true });
    const number = name.slice(3);
    const lines = Object.entries({ DEVNAME: name, DEVTYPE: "partition", PARTN: number, ...event });
    writeFileSync(join(directory, "uevent"), lines.map(([key, value]) => `${key}=${value}\n`).join(""));
    writeFileSync(join(directory, "partition"), `${number}\n`);
    writeFileSync(join(directory, "size"), "65536\n");
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
    ["partlabel", "data", "vda2"],
    ["partuuid", "11111111-2222-3333-4444-555555555555", "vda1"],
  ])("by %s:%s", (by, name, expected) => {
    expect(look(by, name)).toBe(found(expected));
  });

  it.each([
    ["serial", "twin", "vdc and vdd are both serial:twin"],
    ["serial", "empty", "no disk is serial:empty"],
    ["serial", "other", "no disk is serial:other"],
    ["lun", "1", "no disk is lun:1"],
    ["label", "data", "no disk is label:data"],
    ["partlabel", "twin", "vda3 and vdb1 are both partlabel:twin"],
    ["partuuid", "11111111-2222-3333-4444-777777777777", "no disk is partuuid:11111111-2222-3333-4444-777777777777"],
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

// The key must be root's.
describe.skipIf(!root || process.getuid?.() !== 0)("the storage program opens a disk that holds something", () => {
  const folder = temporaryFolder();
  const key = join(folder.path, "run/cvm/keys/data.key");
  const disk = join(folder.path, "dev/vdb");
  const content = Buffer.alloc(17 << 20).fill("somebody's", 15 << 20);
  let program: StorageProgram;

  beforeAll(() => {
    program = new StorageProgram(root!, folder.path, { key: "runtime", integrity: false });
    for (const path of ["dev", "run/cvm/keys", "sys/block/vdb/device"])
      mkdirSync(join(folder.path, path), { recursive: true });
    for (const [name, text] of [
      ["serial", "data"],
      ["size", "34816"],
    ] as const) {
      writeFileSync(join(folder.path, "sys/block/vdb", name), text);
    }
    writeFileSync(disk, content);
  });

  afterAll(() => folder[Symbol.dispose]());

  const open = () => {
    const settings = { DISK_BY: "serial", DISK_NAME: "data", KEY: "runtime", MISSING: "fail" };
    return program.run(["open"], { ...settings, DISK_TIMEOUT: "0", KEY_TIMEOUT: "0" }).output;
  };
  const bring = (bytes: string, mode: number) => {
    rmSync(key, { force: true });
    writeFileSync(key, bytes);
    chmodSync(key, mode);
  };

  it("and neither changes it nor keeps the key", () => {
    bring("k".repeat(32), 0o600);
    expect(open()).toBe(
      "cvm-storage: refused: /dev/vdb: its header is not one that this image makes: it is none of LUKS2",
    );
    expect(readFileSync(disk).equals(content)).toBe(true);
    expect(existsSync(key)).toBe(false);
  });

  it.each<[string, () => void, string]>([
    ["nobody brings", () => rmSync(key, { force: true }), "nobody has brought a key to /run/cvm/keys/data.key"],
    ["others may read", () => bring("k".repeat(32), 0o640), "/run/cvm/keys/data.key is not for root alone"],
    ["is short", () => bring("k".repeat(31), 0o600), "/run/cvm/keys/data.key has 31 bytes, expected 32 to 4096"],
    ["is long", () => bring("k".repeat(4097), 0o400), "/run/cvm/keys/data.key has 4097 bytes, expected 32 to 4096"],
    ["is a link", () => symlinkSync(disk, key), "/run/cvm/keys/data.key is not a file"],
  ])("refuses a key that %s", (_, prepare, message) => {
    prepare();
    expect(open()).toBe(`cvm-storage: refused: /dev/vdb: ${message}`);
  });
});

describe.skipIf(!root)("the storage program asks the TPM", () => {
  const folder = temporaryFolder();
  const write = (path: string, content: string) => {
    mkdirSync(dirname(join(folder.path, path)), { recursive: true });
    writeFileSync(join(folder.path, path), content);
  };
  const register = (index: number, value: string) => write(`sys/class/tpm/tpm0/pcr-sha256/${index}`, `${value}\n`);
  const secureBoot = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
  let program: StorageProgram;

  beforeAll(() => {
    program = new StorageProgram(root!, folder.path, { key: "tpm2", integrity: false });
    write("sys/block/vdb/serial", "data");
    write("sys/block/vdb/size", "65536");
    write("sys/block/vdb/device/modalias", "");
    write("dev/tpmrm0", "");
    for (const name of ["public-key.pem", "signature.json"]) write(`.extra/tpm2-pcr-${name}`, "");
    for (const index of [12, 13, 15]) register(index, "0".repeat(64));
    write(secureBoot, "\u0006\0\0\0\u0001");
    write("key", "k".repeat(32));
    write("dev/vdb", "");
    truncateSync(join(folder.path, "dev/vdb"), 32 << 20);
    formatHeader(folder.path, "dev/vdb", ["--cipher=aes-xts-plain64", "--key-size=512", "--key-slot=1"]);
    tamperLuksHeader(join(folder.path, "dev/vdb"), ({ keyslots, tokens }) => {
      // Behind the place of the first slot, which systemd-cryptenroll takes away.
      keyslots["1"]!.area.offset = "290816";
      tokens["0"] = TOKEN;
    });
  });

  afterAll(() => folder[Symbol.dispose]());

  const open = () => {
    const settings = { DISK_BY: "serial", DISK_NAME: "data", KEY: "tpm2", MISSING: "fail", DISK_TIMEOUT: "0" };
    return program.run(["open"], settings).output;
  };

  it("and does not believe that it opened a disk whose key is not in PCR 15", () => {
    expect(open()).toBe("cvm-storage: refused: /dev/vdb: its key is not in PCR 15");
  });

  it.each([
    ["off", "\u0006\0\0\0\0"],
    ["not there", ""],
  ])("and says so where Secure Boot is %s", (_, variable) => {
    write(secureBoot, variable);
    expect(open().split("\n")).toEqual([
      "cvm-storage: Secure Boot is off: the host can have this disk's key",
      expect.stringContaining("refused"),
    ]);
  });

  it.each([12, 13])("and not while PCR %i is not zero", (index) => {
    register(index, "0".repeat(63) + "1");
    expect(open()).toContain(`refused: /dev/vdb: PCR ${index} is not zero`);
    register(index, "0".repeat(64));
  });

  it("and not for an image without signed policies", () => {
    rmSync(join(folder.path, ".extra/tpm2-pcr-signature.json"));
    expect(open()).toBe("cvm-storage: refused: /dev/vdb: this image carries no signed policy for PCR 11");
  });
});

/** What systemd-cryptenroll of 257 writes, shortened. */
const TOKEN = {
  type: "systemd-tpm2",
  keyslots: ["1"],
  "tpm2-blob": Buffer.from([0, 1, 7, 0, 1, 8]).toString("base64"),
  "tpm2-pcrs": [7, 12, 13],
  "tpm2-pcr-bank": "sha256",
  "tpm2-primary-alg": "ecc",
  "tpm2-policy-hash": "00",
  tpm2_pubkey_pcrs: [11],
  tpm2_pubkey: "AA==",
  tpm2_srk: "AA==",
};

/** Writes a header with `key` as the program does, with other options in between; both are paths in the folder. */
function formatHeader(folder: string, header: string, options: string[]): void {
  const disk = join(folder, "data");
  writeFileSync(disk, "");
  truncateSync(disk, 32 << 20);
  const sizes = ["--offset=32768", "--luks2-metadata-size=16k", "--luks2-keyslots-size=16744448"];
  const kdf = ["--hash=sha256", "--pbkdf=pbkdf2", "--pbkdf-force-iterations=1000", "--sector-size=4096"];
  const files = ["--header", join(folder, header), "--key-file", join(folder, "key"), disk];
  const args = ["luksFormat", "-q", "--type=luks2", ...sizes, ...kdf, ...options, ...files];
  execFileSync(join(folder, "cryptsetup"), args, { stdio: "ignore" });
}
