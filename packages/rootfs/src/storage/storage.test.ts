import { dumpTree, readContent } from "@cvm-build/fs-writer";
import type { OutputFormat, StorageSettings } from "@cvm-build/profile";
import { describe, expect, it } from "vitest";
import { contextFixture } from "../finishers/context.fixture.ts";
import { profileFixture } from "../profile.fixture.ts";
import { treeFixture } from "../tree.fixture.ts";
import { storageCheckFinisher } from "./storage-check.ts";
import { STORAGE_PROGRAMS } from "./storage-script.ts";
import { formatStorageUnit, mountUnitName } from "./storage-units.ts";
import { storageFinisher } from "./storage.ts";

const UNITS = "/usr/lib/systemd/system";
const LIBRARIES = ["esys.so.0", "mu.so.0", "rc.so.0", "tcti-device.so.0"].map((name) => `/usr/lib/x/libtss2-${name}`);
const MODULES = "/usr/lib/modules/6.12";

const context = (storage: Partial<StorageSettings>) => {
  const dataDisk = { by: "serial", name: "data" } as const;
  return contextFixture({ profile: { storage: { ...profileFixture().storage, dataDisk, ...storage } } });
};

describe("storage", () => {
  const written = (storage: Partial<StorageSettings>, files: Record<string, string> = {}) => {
    const tree = treeFixture(files);
    void storageFinisher.finish(tree, context(storage));
    return tree;
  };

  it("writes nothing where there is no disk", () => {
    const tree = treeFixture({});
    void storageFinisher.finish(tree, contextFixture());
    expect(Object.keys(dumpTree(tree))).toEqual(["/"]);
  });

  it("writes program, header check and units; the place for a key only where one is brought", () => {
    const paths = (storage: Partial<StorageSettings>) =>
      Object.entries(dumpTree(written(storage)))
        .filter(([, line]) => !line.startsWith("directory"))
        .map(([path, line]) => `${path} ${line.split(" ").slice(0, 2).join(" ")}`);
    const always = [
      "/usr/lib/cvm/luks-header.awk file 0644",
      "/usr/lib/cvm/storage file 0644",
      `${UNITS}/cvm-storage.service file 0644`,
      `${UNITS}/multi-user.target.wants/srv-a\\x2db.mount symlink ../srv-a\\x2db.mount`,
      `${UNITS}/srv-a\\x2db.mount file 0644`,
    ];
    expect(paths({ mountPoint: "/srv/a-b" })).toEqual(always);
    expect(paths({ mountPoint: "/srv/a-b", key: "runtime" })).toEqual([
      ...always,
      "/usr/lib/tmpfiles.d/cvm-storage.conf file 0644",
    ]);
    expect(dumpTree(written({ mountPoint: "/srv/a-b" }))["/srv/a-b"]).toMatch(/^directory 0755 0:0/);
  });

  it("opens the disk while PCR 11 cannot change, where the TPM looks at it", () => {
    const unit = (storage: Partial<StorageSettings>) => {
      const node = written(storage).get(`${UNITS}/cvm-storage.service`);
      return node?.kind === "file" ? readContent(node.content).toString() : "";
    };
    expect(unit({})).toContain("\nBefore=systemd-pcrphase.service\n");
    expect(unit({ key: "runtime" })).not.toContain("pcrphase");
    expect(unit({ integrity: true, keyTimeoutSec: 1.5 })).toMatch(/\nEnvironment=INTEGRITY=yes\n[^]*=KEY_TIMEOUT=2\n/);
  });

  it("finds the policies of its UKI where they are, or where an initrd that is left behind has copied them", () => {
    const unit = (format: OutputFormat) => {
      const { output, storage } = profileFixture();
      const profile = { output: { ...output, format }, storage };
      return formatStorageUnit(profile, { by: "partlabel", name: "data" });
    };
    expect(unit("uki")).toContain("\nEnvironment=POLICIES=/.extra\n");
    for (const format of ["disk", "initoverlay"] as const) {
      expect(unit(format)).toContain("\nEnvironment=POLICIES=/run/systemd\n");
    }
  });

  it("does not share a mount point", () => {
    expect(() => written({}, { [`${UNITS}/var-lib-data.mount`]: "[Mount]\n" })).toThrow(
      'cannot mount the disk for data on "/var/lib/data": expected no unit "var-lib-data.mount" yet',
    );
  });

  // The second is the manual page's own example.
  it.each([
    ["/var/lib/data", "var-lib-data.mount"],
    ["/dev/sda", "dev-sda.mount"],
    ["/srv/a-b_c", "srv-a\\x2db_c.mount"],
    ["/.hidden/.x", "\\x2ehidden-.x.mount"],
  ])("mounts %s by unit %s", (path, name) => {
    expect(mountUnitName(path)).toBe(name);
  });
});

describe("storage-check", () => {
  const complete = Object.fromEntries([
    ...Object.values(STORAGE_PROGRAMS).map(({ path }) => [path, "x"]),
    ["/usr/bin/busybox", "x"],
    ...LIBRARIES.map((path) => [path, "x"]),
    [`${MODULES}/modules.builtin`, "kernel/fs/ext4/ext4.ko\nkernel/drivers/nvme/host/nvme.ko\n"],
    ...["dm-crypt", "dm-integrity", "xts", "authenc"].map((name) => [`${MODULES}/kernel/${name}.ko.xz`, "x"]),
  ]) as Record<string, string>;
  const check = (storage: Partial<StorageSettings>, without: string[], files: Record<string, string> = {}) => {
    const left = Object.entries({ ...complete, ...files }).filter(([path]) => !without.includes(path));
    return storageCheckFinisher.finish(treeFixture(Object.fromEntries(left)), context(storage));
  };

  it("is content with a tree that has everything, or needs less", () => {
    const nothing = Object.keys(complete);
    expect(check({ integrity: true }, [])).toEqual({ summary: "what the disk for data needs is there", paths: [] });
    expect(() => check({}, [`${MODULES}/kernel/authenc.ko.xz`, `${MODULES}/kernel/dm-integrity.ko.xz`])).not.toThrow();
    expect(() => check({ key: "runtime" }, [...LIBRARIES, "/usr/bin/systemd-cryptenroll"])).not.toThrow();
    const without = nothing.filter((path) => path.startsWith(MODULES));
    expect(() => check({}, without)).not.toThrow();
    expect(() => storageCheckFinisher.finish(treeFixture({}), contextFixture())).not.toThrow();
  });

  it.each<[string, Partial<StorageSettings>, string, string]>([
    ["/usr/sbin/cryptsetup", { key: "runtime" }, '"/usr/sbin/cryptsetup"', "cryptsetup-bin"],
    ["/usr/sbin/mke2fs", {}, '"/usr/sbin/mke2fs"', "e2fsprogs"],
    ["/usr/bin/systemd-cryptenroll", {}, '"/usr/bin/systemd-cryptenroll"', "systemd-cryptsetup"],
    ["/usr/bin/busybox", {}, '"/usr/bin/busybox"', "busybox"],
    [LIBRARIES[1]!, {}, '"libtss2-mu.so.0"', "libtss2-mu-4.0.1-0t64"],
    [`${MODULES}/kernel/dm-crypt.ko.xz`, {}, 'kernel module "dm_crypt"', "add dm_crypt to KernelModules="],
    [`${MODULES}/kernel/authenc.ko.xz`, { integrity: true }, 'kernel module "authenc"', "authenc"],
  ])("misses %s", (path, storage, expected, hint) => {
    expect(() => check(storage, [path])).toThrow(
      expect.objectContaining({
        code: "setting",
        message: `cannot have a disk for data (DataDisk=): expected ${expected} in the image, got none`,
        hint: expect.stringContaining(hint) as string,
      }),
    );
  });

  it("wants a driver that knows such disks", () => {
    const builtin = { [`${MODULES}/modules.builtin`]: "kernel/fs/ext4/ext4.ko\nkernel/drivers/block/virtio_blk.ko\n" };
    expect(() => check({}, [], builtin)).not.toThrow();
    const scsi = { [`${MODULES}/modules.builtin`]: "kernel/fs/ext4/ext4.ko\nkernel/drivers/scsi/virtio_scsi.ko\n" };
    expect(() => check({}, [], scsi)).toThrow("expected a driver of disks in the image (virtio_blk, nvme, virtio_scsi");
    expect(() => check({ dataDisk: { by: "lun", name: "0" } }, [], builtin)).toThrow(
      "expected a driver of disks in the image (nvme, virtio_scsi with sd_mod, hv_storvsc with sd_mod), got none",
    );
  });
});
