import { readFileSync } from "node:fs";
import { CvmError } from "@cvm-build/bytes";
import type { Profile } from "@cvm-build/profile";
import { describe, expect, it } from "vitest";
import { profileFixture } from "../profile.fixture.ts";
import { treeFixture } from "../tree.fixture.ts";
import { checkKernel, type KernelCheck, moduleNamesIn } from "./check-kernel.ts";
import { parseKernelConfig } from "./kernel-config.ts";
import { neededKernelFeatures } from "./needed-features.ts";
import { KERNEL_FEATURES, parseKernelRequirements } from "./requirements.ts";

const TEXT = readFileSync(new URL("../../../../configs/kernel-requirements.json", import.meta.url), "utf8");
const requirements = parseKernelRequirements(TEXT);

const CONFIG = parseKernelConfig(
  Buffer.from(`CONFIG_EROFS_FS=m
CONFIG_EROFS_FS_XATTR=y
CONFIG_OVERLAY_FS=y
CONFIG_BLK_DEV_PMEM=m
CONFIG_VIRTIO_BLK=m
CONFIG_SCSI_VIRTIO=m
`),
);

function faultOf(change: Partial<KernelCheck>): CvmError | undefined {
  const check: KernelCheck = {
    release: "6.12",
    config: CONFIG,
    what: "a disk image",
    features: [],
    requirements,
    modules: new Set(["erofs", "virtio_scsi"]),
    ...change,
  };
  try {
    checkKernel(check);
    return undefined;
  } catch (error) {
    if (error instanceof CvmError) return error;
    throw error;
  }
}

describe("what an image needs of a kernel", () => {
  it("is there built in, as a module of the initrd, or as one of several", () => {
    expect(faultOf({ features: ["erofs", "overlay", "disk"] })).toBeUndefined();
  });

  it("is named with what needs it and how to mend it", () => {
    const missing = faultOf({ features: ["verity-sha512"] });
    expect(missing?.code).toBe("kernel-config");
    expect(missing?.message).toBe(
      'cannot boot a disk image with kernel "6.12": expected CONFIG_CRYPTO_SHA512 (digests of dm-verity), got no such symbol',
    );
    expect(missing?.hint).toContain("use another kernel");
    const left = faultOf({ features: ["erofs"], modules: new Set() });
    expect(left?.message).toContain("got CONFIG_EROFS_FS=m and no module erofs in the initrd");
    expect(left?.hint).toBe("add erofs to KernelInitrdModules=");
    expect(left?.details).toEqual({ release: "6.12", missing: ["CONFIG_EROFS_FS"] });
    const disks = faultOf({ features: ["disk"], modules: new Set() });
    expect(disks?.message).toContain("CONFIG_VIRTIO_BLK or CONFIG_SCSI_VIRTIO or CONFIG_BLK_DEV_NVME or");
    expect(disks?.hint).toBe("add virtio_blk to KernelInitrdModules=");
    const several = faultOf({ features: ["verity", "overlay", "verity-signature"] });
    expect(several?.details["missing"]).toEqual([
      "CONFIG_BLK_DEV_DM",
      "CONFIG_DM_VERITY",
      "CONFIG_CRYPTO_SHA256",
      "CONFIG_DM_VERITY_VERIFY_ROOTHASH_SIG",
    ]);
  });

  it("must be built in where there is no initrd", () => {
    const fault = faultOf({ features: ["erofs"], modules: "none", what: "a pmem image" });
    expect(fault?.message).toBe(
      'cannot boot a pmem image with kernel "6.12": expected CONFIG_EROFS_FS=y (mounts the image), got CONFIG_EROFS_FS=m',
    );
    expect(fault?.hint).toContain("use a kernel that has it built in");
  });

  it("must be built in where no module can be it", () => {
    const config = new Map([["EROFS_FS_ZIP", "m"]]);
    expect(faultOf({ config, features: ["erofs-compressed"] })?.message).toContain("got CONFIG_EROFS_FS_ZIP=m");
  });

  it("knows modules by the kernel's names", () => {
    const tree = treeFixture({
      "/usr/lib/modules/6.12/kernel/drivers/md/dm-verity.ko.xz": "x",
      "/usr/lib/modules/6.12/kernel/fs/erofs/erofs.ko": "x",
      "/usr/lib/modules/6.12/modules.dep": "x",
    });
    expect([...moduleNamesIn(tree)]).toEqual(["dm_verity", "erofs"]);
  });
});

describe("what a layout needs", () => {
  const { output, disk, validation } = profileFixture();
  const of = (format: Profile["output"]["format"], rest: Partial<Profile> = {}) =>
    neededKernelFeatures(profileFixture({}, { output: { ...output, format }, ...rest }));

  it("follows from its settings", () => {
    expect(of("uki")).toEqual(["uki", "initrd", "initrd-zstd"]);
    expect(of("direct", { output: { ...output, format: "direct", compressOutput: "none" } })).toEqual(["initrd"]);
    expect(of("disk", { disk: { ...disk, compression: "zstd", verityAlgorithm: "sha512" } })).toEqual([
      ...["uki", "initrd", "initrd-zstd", "systemd", "modules", "disk", "gpt"],
      ...["erofs", "erofs-compressed", "erofs-zstd", "verity", "verity-sha512"],
    ]);
    expect(of("disk", { validation: { ...validation, verity: "signed" } })).toContain("verity-signature");
    expect(of("initoverlay", { initOverlay: { carrier: "esp", loadIntoRam: false } })).toEqual([
      ...[
        "uki",
        "initrd",
        "initrd-zstd",
        "script-init",
        "modules",
        "erofs",
        "verity",
        "overlay",
        "disk",
        "fat",
        "loop",
      ],
    ]);
    expect(of("initoverlay", { initOverlay: { carrier: "partition", loadIntoRam: true } })).toContain("loop");
    expect(of("pmem")).toEqual([
      ...["pmem", "initrd", "initrd-zstd", "script-init", "modules", "erofs", "verity", "overlay"],
    ]);
    expect(of("pmem", { validation: { ...validation, verity: "none" } })).toEqual(["pmem", "erofs"]);
    expect(of("sysext")).toEqual([]);
  });
});

describe("kernel requirements", () => {
  it("are there for every feature", () => {
    expect(Object.keys(requirements)).toEqual([...KERNEL_FEATURES]);
  });

  const changed = (change: (document: { schema: unknown; features: Record<string, unknown> }) => void): string => {
    const document = JSON.parse(TEXT) as Parameters<typeof change>[0];
    change(document);
    return JSON.stringify(document);
  };
  it.each([
    ["no JSON", "{"],
    ["no object", "[]"],
    ["another schema", changed((document) => (document.schema = "x/2"))],
    ["an unknown feature", changed((document) => (document.features["x"] = []))],
    ["a missing feature", changed((document) => delete document.features["uki"])],
    ["an empty feature", changed((document) => (document.features["uki"] = []))],
    ["a need that is no object", changed((document) => (document.features["uki"] = ["EFI"]))],
    ["a need without a reason", changed((document) => (document.features["uki"] = [{ symbol: "EFI" }]))],
    ["a prefix", changed((document) => (document.features["uki"] = [{ symbol: "config_EFI", why: "x" }]))],
    ["a field too many", changed((document) => (document.features["uki"] = [{ symbol: "A", why: "x", if: "y" }]))],
  ])("are refused with %s", (_, text) => {
    expect(() => parseKernelRequirements(text)).toThrow("cannot read kernel requirements: expected ");
  });
});
