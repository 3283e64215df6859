import { closeSync, copyFileSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFileSource, sliceSource } from "@cvm-build/bytes";
import { type ErofsImage, openErofs, readGpt, walkErofs } from "@cvm-build/fs-writer";
import type { BuildReport, Proof } from "@cvm-build/image";
import { boot, findTools, type ImageBoot, probeHost, type RunningBoot } from "@cvm-build/vm";
import { afterAll, describe, expect, it } from "vitest";
import { cvmBuildJson } from "../support/cli.ts";
import { freePort } from "../support/free-port.ts";
import { requirePeers } from "../support/peers.ts";
import { callRpc, eventually } from "./rpc.ts";

const hasPeers = requirePeers("qemu-system-x86_64", "swtpm");
const scratch = mkdtempSync(join(tmpdir(), "cvm-layouts-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** How long an emulated machine may take while others run beside it. */
const TIMEOUT_SEC = 240;

describe.skipIf(!hasPeers)("a disk", () => {
  it("is measured as predicted, partition table and boot phases too, and its node answers on 8545", async () => {
    const { build, proof } = await buildAndProve(["reth-node", "dev", "disk"], { imageId: "node-disk" });
    expectProved(proof);
    // Action, separator, partition table, and two of the kernel's leave from firmware.
    expect(eventsOf(proof)).toMatchObject({ pcr5: 4, pcr9: 2 });
    expect(build.manifest.phases).toEqual(["enter-initrd", "leave-initrd", "sysinit", "ready"]);
    const hostPort = await freePort();
    await using _machine = await start(build, { network: { forwards: [{ hostPort, guestPort: 8545 }] } });
    const blockNumber = () => callRpc(hostPort, "eth_blockNumber", { timeoutMs: 3000 });
    expect(await eventually(blockNumber, { what: "an answer on 8545", timeoutSec: TIMEOUT_SEC })).toMatch(/^0x/);
  });

  it("does not run what is not what the root hash says", async () => {
    const { build } = await buildOnly(["minimal", "disk"], { imageId: "flipped" });
    const disk = join(scratch, "flipped.raw");
    copyFileSync(join(build.directory, "flipped.raw"), disk);
    flipBitOf(disk, "/usr/lib/systemd/systemd");
    await using machine = await start(build, { imagePath: disk });
    await machine.waitForSerial("is corrupted", { timeoutSec: TIMEOUT_SEC });
    await machine.waitForSerial("dm-verity device corrupted", { timeoutSec: TIMEOUT_SEC });
    await machine.waitForSerial("Kernel panic", { timeoutSec: TIMEOUT_SEC });
  });
});

describe.skipIf(!hasPeers)("an overlay behind a small initrd", () => {
  it.each([
    ["inside the initrd", "initrd", "no"],
    ["in a file of the EFI system partition, copied into memory", "esp", "yes"],
    ["in a partition", "partition", "no"],
  ])("%s: is measured as predicted, and comes up", async (_, carrier, loadIntoRam) => {
    const settings = [`InitOverlay.Carrier=${carrier}`, `InitOverlay.LoadIntoRam=${loadIntoRam}`];
    const { build, proof } = await buildAndProve(["minimal", "initoverlay"], {
      imageId: `overlay-${carrier}`,
      settings,
    });
    expectProved(proof);
    expect(eventsOf(proof)["pcr5"]).toBe(carrier === "initrd" ? 3 : 4);
    await using machine = await start(build);
    await expectOverlay(machine);
  });
});

describe.skipIf(!hasPeers)("a file system in memory that the boot loader fills", () => {
  it("is started as predicted, and comes up", async () => {
    const { build, proof } = await buildAndProve(["minimal", "pmem"], { imageId: "pmem" });
    expectProved(proof);
    await using machine = await start(build);
    await expectOverlay(machine);
  });
});

/** Waits for the shell of profile minimal, and asks it where it runs. */
async function expectOverlay(machine: RunningBoot): Promise<void> {
  await machine.waitForSerial("built-in shell (ash)", { timeoutSec: TIMEOUT_SEC });
  // What is typed before the shell has asked its terminal for the cursor is lost.
  const ask = async () => {
    machine.type("busybox grep -c '^overlay / overlay ' /proc/mounts; echo root-$?\n");
    await machine.waitForSerial("root-0", { timeoutSec: 5 });
    return true;
  };
  expect(await eventually(ask, { what: "the overlay that it runs in", timeoutSec: 60 })).toBe(true);
}

interface Wanted {
  imageId: string;
  settings?: string[];
}

async function buildOnly(profiles: string[], wanted: Wanted): Promise<{ build: BuildReport }> {
  return { build: await cvmBuildJson<BuildReport>(["build", ...argumentsOf(profiles, wanted)]) };
}

function buildAndProve(profiles: string[], wanted: Wanted): Promise<{ build: BuildReport; proof: Proof }> {
  return cvmBuildJson(["build", "--prove", "--timeout", String(TIMEOUT_SEC), ...argumentsOf(profiles, wanted)]);
}

function argumentsOf(profiles: string[], { imageId, settings = [] }: Wanted): string[] {
  const all = [`Output.OutputDirectory=${scratch}`, `Output.ImageId=${imageId}`, ...settings];
  return [...profiles.flatMap((name) => ["--profile", name]), ...all.flatMap((setting) => ["--set", setting])];
}

function expectProved(proof: Proof): void {
  const differing = proof.registers.filter(({ equal }) => !equal).map(({ register }) => register);
  expect({ agrees: proof.agrees, differing }).toEqual({ agrees: true, differing: [] });
  expect(proof.registers.map(({ register }) => register)).toEqual(
    [0, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14].map((pcr) => `pcr${pcr}`),
  );
}

function eventsOf({ registers }: Proof): Record<string, number> {
  return Object.fromEntries(registers.map(({ register, events }) => [register, events.length]));
}

/** Boots what a build left: its disk, its UKI where it has no disk, or its kernel. */
async function start(
  { directory, manifest }: BuildReport,
  options: Partial<Pick<ImageBoot, "imagePath" | "network">> = {},
): Promise<RunningBoot> {
  const { id } = manifest.image;
  const has = (suffix: string) => manifest.outputs.some(({ name }) => name === `${id}${suffix}`);
  const file = (suffix: string) => join(directory, `${id}${suffix}`);
  const tools = await findTools({ searchPath: process.env["PATH"] ?? "" });
  const addressBytes = manifest.fileSystem?.addressBytes;
  const kernel = {
    kind: "kernel" as const,
    commandLine: manifest.image.kernelCommandLine,
    initrdPath: file(".initrd"),
    ...(addressBytes !== undefined && { placed: { path: file(".erofs"), addressBytes } }),
  };
  const from = has(".raw")
    ? { imagePath: file(".raw"), path: { kind: "disk" as const } }
    : has(".efi")
      ? { imagePath: file(".efi") }
      : { imagePath: file(".vmlinuz"), path: kernel };
  return boot({
    tools,
    host: await probeHost(tools, { temporaryDirectory: tmpdir() }),
    ...from,
    memoryMiB: 2048,
    cpus: 1, // with two, a kernel under QEMU 7.2's emulation fails once in a dozen boots
    network: "none",
    serial: "piped",
    temporaryDirectory: tmpdir(),
    ...options,
  });
}

/** Changes one bit of a file's first stored bytes, as a host could that owns the disk. */
function flipBitOf(disk: string, path: string): void {
  using source = openFileSource(disk);
  const root = readGpt(source).partitions.find(({ label }) => label.endsWith("-root"))!;
  const image = openErofs(sliceSource(source, root.offsetBytes, root.sizeBytes));
  const run = firstRun(image, path);
  const offsetBytes = root.offsetBytes + run.physicalOffsetBytes + 100;
  const descriptor = openSync(disk, "r+");
  const byte = Buffer.alloc(1);
  readSync(descriptor, byte, 0, 1, offsetBytes);
  byte[0] = byte[0]! ^ 1;
  writeSync(descriptor, byte, 0, 1, offsetBytes);
  closeSync(descriptor);
}

function firstRun(image: ErofsImage, path: string): { physicalOffsetBytes: number } {
  for (const found of walkErofs(image)) {
    if (found.path !== path) continue;
    for (const run of image.runs(found.inode)) if (run.kind === "stored" || run.kind === "cluster") return run;
  }
  throw new Error(`no stored run of ${path}`);
}
