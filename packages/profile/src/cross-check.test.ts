import { describe, expect, test } from "vitest";
import { OUTPUT_FORMATS } from "./output-format.ts";
import { load, loadError } from "./tree.fixture.ts";

const profile = (text: string) => load({ "cvm.conf": text, "key.pem": "", "key.crt": "" }).profile;

describe("what a format is", () => {
  test.each(OUTPUT_FORMATS)("%s is a format", (format) => {
    expect(profile(`[Output]\nFormat=${format}\n`).output.format).toBe(format);
  });

  test("only what is no whole system does without Essential packages", () => {
    const without = OUTPUT_FORMATS.filter((format) => !profile(`[Output]\nFormat=${format}\n`).content.withEssential);
    expect(without).toEqual(["addon", "sysext", "confext"]);
  });
});

describe("settings of layouts", () => {
  test("a disk", () => {
    const { disk, output, storage, content } = profile(
      [
        "[Output]\nFormat=disk\nDiskFormat=raw vhd\nDiskFormat=raw",
        "[Disk]\nTree=usr\nCompression=zstd\nCompressionLevel=22\nClusterSize=128K\nVerityAlgorithm=sha512",
        "EspSize=512M\nDataPartition=2G",
        "[Storage]\nDataDisk=partlabel:data",
        "[Content]\nInitrdPackages=b a\nKernelInitrdModules=virtio_* -virtio_gpu\n",
      ].join("\n"),
    );
    expect(disk).toEqual({
      tree: "usr",
      compression: "zstd",
      compressionLevel: 22,
      clusterSizeBytes: 131_072,
      verityAlgorithm: "sha512",
      espSizeBytes: 536_870_912,
      dataPartitionBytes: 2_147_483_648,
    });
    expect(output.diskFormats).toEqual(["raw", "vhd"]);
    expect(storage.dataDisk).toEqual({ by: "partlabel", name: "data" });
    expect(content).toMatchObject({ initrdPackages: ["a", "b"], kernelInitrdModules: ["virtio_*", "-virtio_gpu"] });
  });

  test("an overlay, persistent memory, an extension", () => {
    const overlay = profile(
      "[Output]\nFormat=initoverlay\n[InitOverlay]\nCarrier=esp\nLoadIntoRam=yes\n[Disk]\nChunkSize=4K\n",
    );
    expect(overlay).toMatchObject({
      initOverlay: { carrier: "esp", loadIntoRam: true },
      disk: { chunkSizeBytes: 4096 },
    });
    expect(profile("[Output]\nFormat=pmem\n[Pmem]\nAddress=0x180000000\n").pmem).toEqual({ addressBytes: 6 * 2 ** 30 });
    expect(profile("[Output]\nFormat=pmem\n[Pmem]\nAddress=6G\n").pmem).toEqual({ addressBytes: 6 * 2 ** 30 });
    const extension = "[Output]\nFormat=sysext\n[Extension]\nBase=node\nLevel=2\nScope=system,initrd system\n";
    expect(profile(extension).extension).toEqual({
      base: "node",
      id: "debian",
      level: "2",
      scope: ["system", "initrd"],
    });
  });

  test.each([
    ["Verity=yes\nVerityKey=key.pem\nVerityCertificate=key.crt", "signed"],
    ["Verity=off", "none"],
    ["Verity=hash", "hash"],
    ["", "auto"],
  ])("verity: %j", (text, verity) => {
    const { validation } = profile(`[Output]\nFormat=portable\n[Validation]\n${text}\n`);
    expect(validation.verity).toBe(verity);
  });

  test.each([
    ["[Disk]\nCompression=lzma\n", "2:13: expected one of none, lz4, lz4hc, zstd"],
    ["[Disk]\nClusterSize=5000\n", "2:13: expected a power of two from 4K to 1M"],
    ["[Disk]\nClusterSize=2M\n", "2:13: expected a power of two from 4K to 1M"],
    ["[Disk]\nDataPartition=1M\n", "2:15: expected a size of whole MiB such as 512M, 64M at least"],
    ["[Pmem]\nAddress=0x1234\n", "2:9: expected a multiple of 2M such as 0x180000000 or 6G"],
    ["[Extension]\nId=Debian\n", "2:4: expected an identifier such as debian, or _any"],
    ["[Storage]\nDataDisk=partuuid:x\n", "2:10: expected serial:NAME, label:NAME, lun:NUMBER, partlabel:NAME or"],
  ])("%j is no value", (text, message) => {
    expect(loadError({ "cvm.conf": text })).toMatchObject({
      code: "profile-bad-value",
      message: expect.stringContaining(`at cvm.conf:${message}`) as string,
    });
  });
});

describe("settings that do not go together", () => {
  const disk = "[Output]\nFormat=disk\n[Disk]\n";

  test.each([
    [
      "[Pmem]\nAddress=4G\n",
      'setting "Pmem.Address" at cvm.conf:2:9: expected it with Format=pmem alone, got Format=uki',
    ],
    ["[Output]\nFormat=uki\nDiskFormat=vhd\n", "cvm.conf:3:12: expected it with Format=disk, initoverlay alone, got"],
    ["[Output]\nFormat=pmem\n[Disk]\nTree=usr\n", "cvm.conf:4:6: expected it with Format=disk alone, got Format=pmem"],
    [`${disk}ClusterSize=64K\n`, "cvm.conf:4:13: expected Compression=lz4, lz4hc or zstd beside it, got none"],
    [`${disk}Compression=zstd\nChunkSize=4K\n`, "cvm.conf:5:11: expected Compression=none beside it, got zstd"],
    [`${disk}Compression=lz4\nCompressionLevel=1\n`, "cvm.conf:5:18: expected Compression=lz4hc or zstd beside it"],
    [
      `${disk}Compression=lz4hc\nCompressionLevel=13\n`,
      "cvm.conf:5:18: expected a whole number 0..12 for lz4hc, got 13",
    ],
    [
      `${disk}DataPartition=1G\n`,
      "cvm.conf:4:15: expected DataDisk=partlabel:NAME or partuuid:UUID of [Storage] beside",
    ],
    [`${disk}DataPartition=1G\n[Storage]\nDataDisk=serial:a\n`, "cvm.conf:4:15: expected DataDisk=partlabel:NAME or"],
    [`${disk}[Validation]\nVerity=signed\n`, "cvm.conf:5:8: expected VerityKey= beside it, got none"],
    [`${disk}[Validation]\nVerityKey=a.pem\n`, "cvm.conf:5:11: expected VerityCertificate= beside it, got none"],
    ["[Output]\nFormat=initoverlay\n[Disk]\nEspSize=64M\n", "cvm.conf:4:9: expected Carrier=esp or partition of"],
    ["[Output]\nFormat=sysext\n[Extension]\nId=_any\nVersionId=13\n", "cvm.conf:5:11: expected an Id= of one system"],
  ])("%j", (text, message) => {
    expect(loadError({ "cvm.conf": text })).toMatchObject({
      code: "profile-bad-value",
      message: expect.stringContaining(message) as string,
      details: { file: "cvm.conf", line: expect.any(Number) as number },
    });
  });

  test("what mkosi has too is listed with the rest of it that is not used", () => {
    const text = "[Content]\nInitrdPackages=a\nBootable=no\n[Validation]\nVerity=hash\n[Output]\nOverlay=yes\n";
    const { unsupported } = load({ "cvm.conf": text }, { ignoreUnsupported: true });
    expect(unsupported.map(({ name, useInstead }) => `${name}: ${useInstead}`)).toEqual([
      "Output.Overlay: use Base= of [Extension], with Format=sysext or confext",
      "Content.InitrdPackages: leave it out: it is for Format=disk, initoverlay, pmem, not uki",
      "Validation.Verity: leave it out: it is for Format=disk, initoverlay, sysext, confext, portable, pmem, not uki",
      "Content.Bootable: leave it out: an image of Format=uki is bootable",
    ]);
    expect(load({ "cvm.conf": "[Content]\nBootable=no\n[Output]\nFormat=tar\n" }).unsupported).toEqual([]);
  });
});
