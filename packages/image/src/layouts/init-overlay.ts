import { assembleMiniInitrd, bootPhases, type MiniInitrdInput, type OverlayCarrier } from "@cvm-build/rootfs";
import type { Content } from "@cvm-build/fs-writer";
import type { Inputs } from "../inputs.ts";
import { fileDigest } from "../output.ts";
import type { Build } from "../build-under-way.ts";
import { bothEnded } from "./both-ended.ts";
import { dataPartition, type LaidOutDisk, layOutBootDisk, writeBootDisk } from "./boot-disk.ts";
import { checkVerified, fileSystemPartitions, type VerifiedFileSystem, writeFileSystem } from "./file-system.ts";
import { initrdInput, miniInit, packInitrd, rootfsTools } from "./initrd.ts";
import { checkKernelOf } from "./kernel-check.ts";
import type { MadeImage } from "./made-image.ts";
import { PartsFolder } from "./parts-folder.ts";
import { assembleTree } from "./tree.ts";
import { measureUki, wrapInUki } from "./uki.ts";

/**
 * Makes a UKI whose initrd has no systemd and does just enough: it finds an erofs, has dm-verity compare it with the root hash
 * that the initrd itself holds, and goes on in it, with what is written kept in memory. The erofs travels inside the initrd,
 * as a file beside the UKI, or in a partition.
 */
export async function makeInitOverlay(build: Build, inputs: Inputs): Promise<MadeImage> {
  const { profile, generation } = build;
  checkVerified(profile);
  using parts = new PartsFolder(generation);
  const rootfs = await assembleTree(build, inputs);
  const fileSystem = await writeFileSystem(rootfs.tree, { ...build, tree: "root", folder: parts.path });
  const carrier = carrierOf(build, fileSystem);
  const input: MiniInitrdInput = {
    ...initrdInput(build, { inputs, rootfs }),
    init: { ...miniInit(profile, fileSystem.facts), carrier },
    ...(carrier.kind === "initrd" && {
      carried: { data: contentAt(fileSystem.dataPath), hashes: contentAt(fileSystem.hashPath) },
    }),
  };
  const initrd = await assembleMiniInitrd(input, rootfsTools(build));
  checkKernelOf(build, { kernel: rootfs.kernel, initrd: initrd.tree });
  const packed = await packInitrd(initrd.tree, build);
  const phases = bootPhases(rootfs.tree);
  const uki = await wrapInUki(build, { inputs, packed, rootfs: { ...rootfs, phases } });
  const disk = await layOutCarrier(build, { carrier, fileSystem, uki: uki.written.path, folder: parts.path });
  const measured = { tree: rootfs.tree, initrd: initrd.tree, ...(disk && { partitionTable: disk.table }) };
  const [measurements, outputs] = await bothEnded(
    measureUki(build, uki, measured),
    disk ? writeBootDisk(disk, build) : Promise.resolve([]),
  );
  return {
    ...uki,
    ...measurements,
    written: { ...uki.written, outputs: [...uki.written.outputs, ...outputs] },
    fileSystem: fileSystem.facts,
  };
}

function carrierOf({ profile }: Build, { facts }: VerifiedFileSystem): OverlayCarrier {
  const { imageId } = profile.output;
  switch (profile.initOverlay.carrier) {
    case "initrd":
      return { kind: "initrd" };
    case "esp":
      return { kind: "esp", dataPath: `/cvm/${imageId}.erofs`, hashPath: `/cvm/${imageId}.verity` };
    case "partition":
      return { kind: "partition", dataUuid: facts.dataUuid, hashUuid: facts.hashUuid };
  }
}

/** The disk that carries the erofs; undefined where the initrd does. */
async function layOutCarrier(
  { profile }: Build,
  parts: { carrier: OverlayCarrier; fileSystem: VerifiedFileSystem; uki: string; folder: string },
): Promise<LaidOutDisk | undefined> {
  const { carrier, fileSystem, uki, folder } = parts;
  if (carrier.kind === "initrd") return undefined;
  const espFiles = new Map(
    carrier.kind === "esp"
      ? [
          [carrier.dataPath, fileSystem.dataPath],
          [carrier.hashPath, fileSystem.hashPath],
        ]
      : [],
  );
  const own = carrier.kind === "partition" ? fileSystemPartitions(fileSystem, profile) : [];
  return layOutBootDisk({ profile, uki, espFiles, partitions: [...own, ...dataPartition(profile)], folder });
}

function contentAt(path: string): Content {
  return { ...fileDigest(path), file: { path, offsetBytes: 0 } };
}
