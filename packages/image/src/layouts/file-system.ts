import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { CvmError, derivedUuid, type Guid, type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import {
  type DiskPartition,
  encodeVeritySignature,
  type ErofsCompression,
  type FileTree,
  type PartitionType,
  verityPartitionUuids,
  writeErofs,
  writeVerity,
} from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import { signRootHash } from "@cvm-build/uki";
import type { CertifiedSigner, ImageSigners } from "../signing.ts";
import type { Surroundings } from "../surroundings.ts";

/** What the manifest says of a file system that is verified block by block. */
export interface FileSystemFacts {
  /** Which tree of the running system it is. */
  tree: "root" | "usr";
  type: "erofs";
  compression: string;
  sizeBytes: number;
  verity: {
    algorithm: "sha256" | "sha512";
    /** Lower-case hex. */
    rootHash: string;
    salt: string;
    dataBlocks: number;
    /** Where the hash tree begins on its device. */
    hashOffsetBytes: number;
    hashSizeBytes: number;
  };
  /** Of the partitions, where there are any. */
  dataUuid: Guid;
  hashUuid: Guid;
  /** The physical address that a boot loader places it at, where it lies in memory. */
  addressBytes?: number;
}

/** A file system, its hash tree and the signature of its root hash. */
export interface VerifiedFileSystem {
  facts: FileSystemFacts;
  dataPath: string;
  hashPath: string;
  signature?: { pkcs7: Buffer; certificateFingerprint: Sha256Hex };
}

/** What a file system is made of. */
export interface FileSystemRequest {
  profile: Profile;
  tree: "root" | "usr";
  /** Where its files are put, which stay the caller's to remove. */
  folder: string;
  /** One of them signs the root hash, where it is there. */
  signers: Pick<ImageSigners, "verity">;
  surroundings: Surroundings;
}

/** The format of hash trees that everybody writes. @see cryptsetup wiki, "DMVerity" */
export const VERITY_FORMAT = 1;

/**
 * Writes a tree as erofs with a dm-verity hash tree. Identifiers and salt follow from the profile's `Seed=`, those of
 * partitions from the root hash.
 * @throws CvmError as `writeErofs` and `writeVerity`; `signer`
 */
export async function writeFileSystem(content: FileTree, request: FileSystemRequest): Promise<VerifiedFileSystem> {
  const { profile, tree, folder, signers, surroundings } = request;
  const { seed } = profile.output;
  const { workers, report, signal } = surroundings;
  const { chunkSizeBytes, verityAlgorithm: algorithm } = profile.disk;
  const compression = compressionOf(profile);
  const dataPath = join(folder, `${tree}.erofs`);
  const hashPath = join(folder, `${tree}.verity`);
  await writeErofs(content, {
    output: dataPath,
    uuid: derivedUuid(seed, `${tree} file system`),
    label: tree,
    mtimeClampSec: profile.content.sourceDateEpochSec,
    threads: workers,
    ...(compression && { compression }),
    ...(chunkSizeBytes !== undefined && { chunkBytes: chunkSizeBytes }),
    report,
    ...(signal && { signal }),
  });
  signal?.throwIfAborted();
  const salt = createHash("sha256").update(`${seed}\0${tree} verity salt`).digest();
  const uuid = derivedUuid(seed, `${tree} verity`);
  const verity = await writeVerity(
    { path: dataPath },
    { output: hashPath, formatVersion: VERITY_FORMAT, algorithm, salt, uuid, threads: workers },
  );
  const uuids = verityPartitionUuids(verity.rootHash);
  return {
    dataPath,
    hashPath,
    facts: {
      tree,
      type: "erofs",
      compression: profile.disk.compression,
      sizeBytes: statSync(dataPath).size,
      verity: {
        algorithm,
        rootHash: verity.rootHash,
        salt: salt.toString("hex"),
        dataBlocks: verity.dataBlocks,
        hashOffsetBytes: verity.hashOffsetBytes,
        hashSizeBytes: verity.sizeBytes,
      },
      dataUuid: uuids.data,
      hashUuid: uuids.verity,
    },
    ...(signers.verity && { signature: await sign(verity.rootHash, signers.verity) }),
  };
}

/**
 * Refuses a bootable image whose file system nothing verifies.
 * @throws CvmError `setting`
 */
export function checkVerified({ output, validation }: Profile): void {
  if (validation.verity !== "none") return;
  const expectation = "expected a file system that is verified, got Validation.Verity=none";
  throw new CvmError("setting", `cannot build ${output.format} "${output.imageId}": ${expectation}`, {
    hint: "without a root hash in what is measured no register would say what the file system holds",
  });
}

/** The partitions that hold it: data, hash tree, and the signature where there is one. */
export function fileSystemPartitions(
  { facts, dataPath, hashPath, signature }: VerifiedFileSystem,
  { output }: Profile,
): DiskPartition[] {
  const { tree, sizeBytes, verity, dataUuid, hashUuid } = facts;
  const label = (suffix: string) => `${output.imageId.slice(0, MAX_ID_IN_LABEL)}-${tree}${suffix}`;
  const flags = ["read-only"] as const;
  const signed = signature && encodeVeritySignature({ ...verity, ...signature, signature: signature.pkcs7 });
  const more = (suffix: string) => `${tree}${suffix}` as PartitionType;
  return [
    { type: tree, uuid: dataUuid, label: label(""), sizeBytes, flags, content: { path: dataPath } },
    {
      type: more("-verity"),
      uuid: hashUuid,
      label: label("-verity"),
      sizeBytes: verity.hashSizeBytes,
      flags,
      content: { path: hashPath },
    },
    ...(signed
      ? [
          {
            type: more("-verity-sig"),
            uuid: derivedUuid(output.seed, `${tree} verity signature`),
            label: label("-verity-sig"),
            sizeBytes: signed.length,
            flags,
            content: { bytes: signed },
          },
        ]
      : []),
  ];
}

/** 36 units less the longest of what follows. */
const MAX_ID_IN_LABEL = 36 - "-root-verity-sig".length;

function compressionOf({ disk }: Profile): ErofsCompression | undefined {
  const { compression, compressionLevel, clusterSizeBytes } = disk;
  if (compression === "none") return undefined;
  return {
    algorithm: compression,
    ...(compressionLevel !== undefined && { level: compressionLevel }),
    ...(clusterSizeBytes !== undefined && { clusterBytes: clusterSizeBytes }),
  };
}

async function sign(rootHash: string, { signer, certificates }: CertifiedSigner) {
  const pkcs7 = await signRootHash(rootHash, { signer, certificates });
  const [certificate] = certificates;
  return { pkcs7, certificateFingerprint: sha256Hex(certificate?.raw ?? Buffer.alloc(0)) };
}
