import { statSync } from "node:fs";
import { relative } from "node:path";
import { compareCodeUnits, type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import type { PackedSegments, Segment } from "@cvm-build/fs-writer";
import type { OutputFormat, Profile } from "@cvm-build/profile";
import type { Lock, LockedArtifact, LockedPackage, LockedRepository } from "@cvm-build/resolver";
import type { ClassifiedScript, Rootfs } from "@cvm-build/rootfs";
import { oneLineName, type Signer } from "@cvm-build/uki";
import type { Inputs } from "./inputs.ts";
import type { FileSystemFacts } from "./layouts/file-system.ts";
import { imageFileName } from "./layouts/table.ts";
import type { ObtainedLock } from "./locking.ts";
import type { Generation } from "./output.ts";
import { PROGRAM_VERSION } from "./program.ts";
import type { CertifiedSigner, ImageSigners } from "./signing.ts";

/** `manifest.json`: what is in an image and how it got there. Holds nothing that depends on the machine or the hour. */
export interface Manifest {
  schema: "cvm-build.manifest/1";
  image: {
    id: string;
    version: string;
    format: OutputFormat;
    /** Name of the image's file among `outputs`: the one that `measurements.json` states the digest of. */
    file: string;
    profiles: string[];
    /** Sentences that whoever uses the image must have read. */
    notices: string[];
    kernelCommandLine: string;
    sourceDateEpochSec: number;
  };
  tools: { cvmBuild: string } & Lock["tools"];
  lock: { sha256: Sha256Hex; repositories: LockedRepository[] };
  packages: ManifestPackage[];
  artifacts: (LockedArtifact & { sizeBytes: number })[];
  /** Absent from what has none, such as an add-on. */
  kernel?: { release: string; package: string; sha256: Sha256Hex };
  /** The file system that a disk or an extension holds, and what verifies it. */
  fileSystem?: FileSystemFacts;
  /** Absent from what no firmware starts. */
  stub?: { package: string; packageVersion: string; version: string; path: string; sha256: Sha256Hex };
  /** Who signed what: by digests of the public key, and of the certificate where there is one. */
  signatures: ManifestSignature[];
  /** Boot phases that the system in it reaches, in order. */
  phases: readonly string[];
  /** What its systemd extends beside those. */
  registerUse: Rootfs["registerUse"];
  services: { name: string; description: string; user: string }[];
  finishers: { name: string; summary: string; paths: string[] }[];
  scripts: ScriptReport;
  /** Files that two packages hold, and whose the image has. */
  replacements: Rootfs["replacements"];
  /** The trusted computing base in plain numbers. */
  tree: { entries: number; sizeBytes: number; setuid: string[] };
  segments: { origin: string; entries: number; sizeBytes: number; uncompressedSizeBytes: number; sha256: Sha256Hex }[];
  /** Extended attributes that the image's format cannot carry. */
  losses: { path: string; xattr: string }[];
  /** Paths of packages that an extension has no place for; absent of what is no extension. */
  leftOut?: string[];
  outputs: { name: string; sizeBytes: number; sha256: Sha256Hex }[];
}

/** An image as it was written. */
export interface WrittenImage {
  /** Names of its files, with their folders. */
  outputs: string[];
  kernelCommandLine: string;
}

/** Who signed a part of the image. Nothing of a private key, nor of where it is. */
export interface ManifestSignature {
  of: "image" | "root-hash" | "pcr-policy";
  /** Of the SubjectPublicKeyInfo. */
  publicKeySha256: Sha256Hex;
  certificate?: { subject: string; sha256: Sha256Hex };
}

/** A locked package and what came of it. */
export type ManifestPackage = LockedPackage & {
  /** What of the package is in the image; zero where its files are left out. */
  installed: { sizeBytes: number; files: number };
};

/** Maintainer scripts, none of which was run, by what became of them. */
export interface ScriptReport {
  byClass: Record<ClassifiedScript["class"], number>;
  /** What nothing stands in for, line by line. */
  notHandled: { package: string; script: string; line: number; text: string }[];
  scripts: { package: string; script: string; class: ClassifiedScript["class"]; by: string[]; sha256: Sha256Hex }[];
}

/** Collects the manifest of a build whose files are written. */
export function manifestOf(build: {
  profile: Profile;
  obtained: ObtainedLock;
  rootfs: Rootfs;
  stub?: { path: string; version: string; content: { sha256: Sha256Hex } };
  packed: PackedSegments;
  fileSystem?: FileSystemFacts;
  leftOut?: readonly string[];
  written: WrittenImage;
  signers: ImageSigners;
  artifacts: Inputs["artifacts"];
  /** Where the profiles are: what lies below is named relative to it. */
  directory: string;
  generation: Generation;
}): Manifest {
  const { profile, obtained, rootfs, stub, packed, written, signers, artifacts, directory, generation } = build;
  const { lock } = obtained;
  const installed = new Map(rootfs.packages.map((entry) => [entry.name, entry]));
  return {
    schema: "cvm-build.manifest/1",
    image: {
      id: profile.output.imageId,
      version: profile.output.imageVersion,
      format: profile.output.format,
      file: imageFileName(profile),
      profiles: profile.names,
      notices: profile.output.notices,
      kernelCommandLine: written.kernelCommandLine,
      sourceDateEpochSec: profile.content.sourceDateEpochSec,
    },
    tools: { cvmBuild: PROGRAM_VERSION, ...lock.tools },
    lock: { sha256: sha256Hex(obtained.text), repositories: lock.repositories },
    packages: lock.packages.map((entry) => {
      const own = entry.role === "image" ? installed.get(entry.name) : undefined;
      return { ...entry, installed: { sizeBytes: own?.sizeBytes ?? 0, files: own?.fileCount ?? 0 } };
    }),
    artifacts: artifacts.map(({ locked, path }) => ({ ...locked, sizeBytes: statSync(path).size })),
    ...(rootfs.kernel && {
      kernel: {
        release: rootfs.kernel.release,
        package: rootfs.kernel.package,
        sha256: rootfs.kernel.image.sha256,
      },
    }),
    ...(build.fileSystem && { fileSystem: build.fileSystem }),
    ...(build.leftOut && { leftOut: [...build.leftOut] }),
    ...(stub && { stub: stubOf(stub, lock) }),
    signatures: signaturesBy(signers),
    phases: profile.measure.phases ?? rootfs.phases,
    registerUse: rootfs.registerUse,
    services: profile.services.map(({ name, description, user }) => ({ name, description, user })),
    finishers: rootfs.finishers,
    scripts: scriptReport(rootfs.scripts),
    replacements: rootfs.replacements,
    tree: { ...treeSize(rootfs), setuid: rootfs.setuid },
    segments: packed.segments.map((segment) => ({
      origin: originOf(segment.origin, directory),
      entries: segment.entryCount,
      sizeBytes: segment.sizeBytes,
      uncompressedSizeBytes: segment.uncompressedSizeBytes,
      sha256: segment.sha256,
    })),
    losses: packed.losses,
    outputs: [...written.outputs].sort(compareCodeUnits).map((name) => ({ name, ...generation.digest(name) })),
  };
}

function stubOf(
  { path, version, content }: { path: string; version: string; content: { sha256: Sha256Hex } },
  { packages }: Lock,
): NonNullable<Manifest["stub"]> {
  const from = packages.find(({ role }) => role === "stub");
  const { sha256 } = content;
  return { package: from?.name ?? "", packageVersion: from?.version ?? "", version, path, sha256 };
}

function signaturesBy({ secureBoot, verity, pcr }: ImageSigners): ManifestSignature[] {
  const keyOf = ({ publicKey }: Signer) => sha256Hex(publicKey.export({ type: "spki", format: "der" }));
  const certified = (of: ManifestSignature["of"], by: CertifiedSigner | undefined): ManifestSignature[] => {
    const [certificate] = by?.certificates ?? [];
    if (!by || !certificate) return [];
    const { subject, raw } = certificate;
    const publicKeySha256 = keyOf(by.signer);
    return [{ of, publicKeySha256, certificate: { subject: oneLineName(subject), sha256: sha256Hex(raw) } }];
  };
  const policies = pcr.map((signer) => ({ of: "pcr-policy" as const, publicKeySha256: keyOf(signer) }));
  return [...certified("image", secureBoot), ...certified("root-hash", verity), ...policies];
}

function originOf(origin: Segment["origin"], directory: string): string {
  if (origin === "directories") return origin;
  return `${origin.kind}:${origin.kind === "extra" ? relative(directory, origin.name) : origin.name}`;
}

function scriptReport(scripts: readonly ClassifiedScript[]): ScriptReport {
  const byClass: ScriptReport["byClass"] = { "none-needed": 0, handled: 0, harmless: 0, "not-handled": 0 };
  for (const script of scripts) byClass[script.class]++;
  return {
    byClass,
    notHandled: scripts.flatMap(({ package: name, script, lines }) =>
      lines
        .filter((line) => line.class === "not-handled")
        .map(({ line, text }) => ({ package: name, script, line, text })),
    ),
    scripts: scripts.map(({ package: name, script, class: kind, sha256, lines }) => ({
      package: name,
      script,
      class: kind,
      by: [...new Set(lines.flatMap(({ by }) => by ?? []))].sort(compareCodeUnits),
      sha256,
    })),
  };
}

function treeSize({ tree }: Rootfs): { entries: number; sizeBytes: number } {
  const nodes = new Set<unknown>();
  let sizeBytes = 0;
  for (const [, node] of tree.entries()) {
    if (node.kind === "file" && !nodes.has(node)) sizeBytes += node.content.sizeBytes;
    nodes.add(node);
  }
  return { entries: tree.size, sizeBytes };
}
