import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ByteSource, derivedUuid, openFileSource, sourceSha256 } from "@cvm-build/bytes";
import { convertDisk, openDisk, writeDisk } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const MIB = 1 << 20;
const GIB = 1 << 30;

const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: "utf8", env: { ...process.env, LC_ALL: "C", TZ: "UTC" } });

/** Bytes that do not compress, and then bytes that do. */
function content(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes, "content ");
  for (let at = 0; at < sizeBytes / 2; at += 64) createHash("sha512").update(String(at)).digest().copy(bytes, at);
  return bytes;
}

/** A disk with data in several places and zeros between. */
function makeDisk(output: string, { farBytes, sizeMultipleBytes }: { farBytes: number; sizeMultipleBytes: number }) {
  const partition = (label: string, sizeBytes: number, bytes: Buffer) => ({
    type: "linux-generic" as const,
    uuid: derivedUuid("seed", label),
    label,
    sizeBytes,
    content: { bytes },
  });
  const islands = Buffer.alloc(40 * MIB);
  for (let at = 0; at < islands.length; at += 3 * MIB) islands.write(`island ${at}`, at + 100_000);
  return writeDisk({
    output,
    architecture: "x86-64",
    diskUuid: derivedUuid("seed", "disk"),
    sizeMultipleBytes,
    partitions: [
      partition("one", 5 * MIB, content(3 * MIB + 77)),
      partition("islands", 64 * MIB, islands),
      partition("far", farBytes, content(70_000)),
      partition("last", MIB, content(MIB)),
    ],
  });
}

function sameBytes(path: string, disk: { path: string; sizeBytes: number }): void {
  using raw = openFileSource(disk.path);
  using file = openFileSource(path);
  const opened: ByteSource = openDisk(file);
  const range = { offsetBytes: 0, sizeBytes: disk.sizeBytes };
  expect(sourceSha256(opened, range)).toBe(sourceSha256(raw, range));
}

describe.skipIf(!requirePeers("qemu-img"))("qemu-img", () => {
  it("finds the same disk in our qcow2, and nothing wrong", async () => {
    using folder = temporaryFolder();
    const [raw, qcow2] = [join(folder.path, "raw"), join(folder.path, "qcow2")] as const;
    // A second-level table covers 512 MiB.
    const { sizeBytes } = makeDisk(raw, { farBytes: 600 * MIB, sizeMultipleBytes: MIB });
    const written = await convertDisk({ path: raw }, { output: qcow2, format: "qcow2" });
    expect(run("qemu-img", "check", "-f", "qcow2", qcow2)).toContain("No errors were found on the image.");
    const compared = run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw, qcow2);
    expect(compared).toContain("Images are identical.");
    const info = JSON.parse(run("qemu-img", "info", "--output=json", qcow2)) as Record<string, unknown>;
    expect(info).toMatchObject({ format: "qcow2", "virtual-size": sizeBytes, "cluster-size": 65_536 });
    // No more than what qemu-img itself makes of it, but for the tables' own clusters.
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, join(folder.path, "theirs"));
    expect(written.sizeBytes).toBeLessThanOrEqual(statSync(join(folder.path, "theirs")).size + 2 * 65_536);
    sameBytes(qcow2, { path: raw, sizeBytes });
  });

  it.each([
    ["version 3", []],
    ["version 2", ["-o", "compat=0.10"]],
    ["compressed clusters", ["-c"]],
    ["clusters of 512 bytes", ["-o", "cluster_size=512"]],
    ["compressed clusters of 2 MiB", ["-c", "-o", "cluster_size=2M"]],
    ["reference counts of 1 bit", ["-o", "refcount_bits=1"]],
    ["lazy reference counts and allocated metadata", ["-o", "lazy_refcounts=on,preallocation=metadata"]],
  ])("makes qcow2 that is read here: %s", (_, options) => {
    using folder = temporaryFolder();
    const [raw, qcow2] = [join(folder.path, "raw"), join(folder.path, "qcow2")] as const;
    const bytes = Buffer.alloc(6 * MIB + 512);
    content(2 * MIB).copy(bytes, MIB + 512);
    bytes.write("end", bytes.length - 3);
    writeFileSync(raw, bytes);
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", ...options, raw, qcow2);
    sameBytes(qcow2, { path: raw, sizeBytes: bytes.length });
  });

  it.each([
    ["a backing file", ["-b", "base", "-F", "raw"], "expected an image without a backing file"],
    ["compression with zstd", ["-o", "compression_type=zstd", "1M"], "expected none, got compression type"],
    ["extended tables", ["-o", "extended_l2=on", "1M"], "expected none, got extended L2"],
    ["an external data file", ["-o", "data_file=other", "1M"], "expected none, got external data file"],
  ])("makes qcow2 that is refused here, in words: %s", (_, options, message) => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "base"), Buffer.alloc(MIB));
    const path = join(folder.path, "qcow2");
    const [last, ...rest] = options.toReversed();
    const places = last === "raw" ? [path] : [path, last ?? ""];
    const flags = last === "raw" ? options : rest.toReversed();
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", ...flags, ...places], { cwd: folder.path });
    using source = openFileSource(path);
    expect(() => openDisk(source)).toThrow(message);
  });

  it("makes the footer of a fixed VHD as we do, but for date and UUID", async () => {
    using folder = temporaryFolder();
    const [raw, ours, theirs] = ["raw", "ours", "theirs"].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(raw, content(3 * MIB));
    const written = await convertDisk({ path: raw }, { output: ours, format: "vhd" });
    expect(written.sizeBytes).toBe(3 * MIB + 512);
    run("qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed,force_size", raw, theirs);
    const [mine, other] = [readFileSync(ours), readFileSync(theirs)];
    for (const bytes of [mine, other]) {
      for (const [start, end] of [
        [24, 28],
        [64, 84],
      ] as const) {
        bytes.fill(0, 3 * MIB + start, 3 * MIB + end);
      }
    }
    expect(mine.equals(other)).toBe(true);
    expect(run("qemu-img", "compare", "-f", "raw", "-F", "vpc", raw, ours)).toContain("Images are identical.");
    sameBytes(theirs, { path: raw, sizeBytes: 3 * MIB });
  });

  it("finds the disk in our VHD, rounded up to a MiB", async () => {
    using folder = temporaryFolder();
    const [raw, vhd] = [join(folder.path, "raw"), join(folder.path, "vhd")] as const;
    writeFileSync(raw, content(MIB + 512));
    await convertDisk({ path: raw }, { output: vhd, format: "vhd" });
    expect(JSON.parse(run("qemu-img", "info", "--output=json", "-f", "vpc", vhd))).toMatchObject({
      "virtual-size": 2 * MIB,
    });
    expect(run("qemu-img", "compare", "-f", "raw", "-F", "vpc", raw, vhd)).toContain("Images are identical.");
    sameBytes(vhd, { path: raw, sizeBytes: MIB + 512 });
  });

  it("makes a dynamic VHD, which is refused", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "vhd");
    run("qemu-img", "create", "-q", "-f", "vpc", path, "10M");
    using source = openFileSource(path);
    expect(() => openDisk(source)).toThrow("expected a fixed disk, got dynamic");
  });
});

describe.skipIf(!requirePeers("tar", "gzip"))("GNU tar", () => {
  it("finds disk.raw, sparse, in what Google Cloud is given", async () => {
    using folder = temporaryFolder();
    const [raw, archive, threads] = ["raw", "disk.tar.gz", "threads.tar.gz"].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
    ];
    const { sizeBytes } = makeDisk(raw, { farBytes: MIB, sizeMultipleBytes: GIB });
    expect(sizeBytes).toBe(GIB);
    const written = await convertDisk({ path: raw }, { output: archive, format: "gcp" });
    const other = await convertDisk({ path: raw }, { output: threads, format: "gcp", threads: 2 });
    expect(other).toEqual(written);
    run("gzip", "--test", archive);
    expect(run("tar", "--numeric-owner", "-tvzf", archive).trim()).toBe(
      `-rw-r--r-- 0/0      ${sizeBytes} 1970-01-01 00:00 disk.raw`,
    );
    run("tar", "-C", folder.path, "-xzf", archive);
    const extracted = statSync(join(folder.path, "disk.raw"));
    expect(extracted.size).toBe(sizeBytes);
    expect(extracted.blocks * 512).toBeLessThan(16 * MIB);
    run("cmp", raw, join(folder.path, "disk.raw"));
    // What GNU tar itself makes of it is the same kind of archive.
    const theirs = execFileSync("tar", ["-C", folder.path, "--format=oldgnu", "-Scf", "-", "disk.raw"], {
      maxBuffer: 64 * MIB,
    });
    const ours = execFileSync("gzip", ["-dc", archive], { maxBuffer: 64 * MIB });
    for (const [start, end] of [
      [0, 108],
      [156, 265],
      [483, 495],
    ] as const) {
      expect(ours.subarray(start, end).equals(theirs.subarray(start, end))).toBe(true);
    }
  });

  it("finds a disk that is rounded up to a GiB, and one of zeros", async () => {
    using folder = temporaryFolder();
    const [raw, archive] = [join(folder.path, "raw"), join(folder.path, "disk.tar.gz")] as const;
    for (const bytes of [content(MIB + 512), Buffer.alloc(512)]) {
      writeFileSync(raw, bytes);
      await convertDisk({ path: raw }, { output: archive, format: "gcp" });
      run("tar", "-C", folder.path, "-xzf", archive);
      const extracted = join(folder.path, "disk.raw");
      expect(statSync(extracted).size).toBe(GIB);
      truncateSync(extracted, bytes.length);
      expect(readFileSync(extracted).equals(bytes)).toBe(true);
    }
  });
});
