import { generateKeyPairSync } from "node:crypto";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { canonicalJson, sha256Hex } from "@cvm-build/bytes";
import { encodeAr, encodeTar } from "@cvm-build/fs-writer";
import { encodeLock, type Lock, type LockedPackage } from "@cvm-build/resolver";
import type { Manifest } from "../manifest.ts";
import { makeProject, type Project } from "../project.fixture.ts";
import { storeOf } from "../store.ts";
import { decodeDsse } from "./dsse.ts";
import { verifyRelease } from "./release-keys.ts";
import { releaseImage, type ReleaseReport, type ReleaseRequest } from "./release.ts";
import type { ReleaseVerification } from "./verify-release.ts";

/** A built image for tests: a few small packages in the store, and a folder as a build leaves it. */
export interface BuiltImageFixture extends Disposable {
  project: Project;
  /** The image's folder. */
  image: string;
  lock: Lock;
  /** Writes a private key as PKCS#8 and gives its name; the public key is beside it, ending in `.pub`. */
  writeKey(kind: "rsa" | "ec" | "ed25519"): string;
}

const COPYRIGHT = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2026 someone
License: GPL-2+ or Odd

License: Odd
 Do as you like.
`;

const PACKAGES: Record<string, { version: string; copyright?: string; role?: "stub"; files?: number }> = {
  "libodd++1": { version: "1:2.0-1+b1", copyright: COPYRIGHT, files: 3 },
  plain: { version: "1~rc1", copyright: "It is free.\n", files: 1 },
  removed: { version: "3" },
  "stub-efi": { version: "257", copyright: COPYRIGHT, role: "stub" },
};

/** Makes an image of that id. */
export function makeBuiltImage(id = "node"): BuiltImageFixture {
  const project = makeProject({});
  const store = storeOf(project.surroundings);
  const debs = Object.entries(PACKAGES).map(([name, { version, copyright }]) => deb({ name, version, copyright }));
  for (const bytes of debs) store.put(bytes);
  const lock = lockOf(debs);
  const lockText = encodeLock(lock);
  const efi = `the image of ${id}`;
  const write = (name: string, text: string) => project.write(`build/${id}/${name}`, text);
  write(`${id}.efi`, efi);
  write(`${id}.efi.extra.d/debug.addon.efi`, "an addon");
  write("cvm.lock", lockText);
  write("manifest.json", canonicalJson(manifestOf({ id, lock, lockText, efi })));
  write("measurements.json", canonicalJson({ image: { id, version: "7", sha256: sha256Hex(efi) } }));
  return {
    project,
    image: `build/${id}`,
    lock,
    writeKey(kind) {
      const { privateKey, publicKey } = KEYS[kind]();
      project.write(`${kind}.pub`, publicKey.export({ type: "spki", format: "pem" }) as string);
      chmodSync(project.write(kind, privateKey.export({ type: "pkcs8", format: "pem" }) as string), 0o600);
      return kind;
    },
    [Symbol.dispose]: () => project[Symbol.dispose](),
  };
}

const KEYS = {
  rsa: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ec: () => generateKeyPairSync("ec", { namedCurve: "prime256v1" }),
  ed25519: () => generateKeyPairSync("ed25519"),
};

function deb({ name, version, copyright }: { name: string; version: string; copyright: string | undefined }): Buffer {
  const control = `Package: ${name}\nVersion: ${version}\nArchitecture: amd64\nMaintainer: t <t@example.org>\nDescription: t\n`;
  const text = copyright ?? "";
  const data = copyright === undefined ? [] : [{ name: `./usr/share/doc/${name}/copyright`, bytes: Buffer.from(text) }];
  return encodeAr([
    { name: "debian-binary", bytes: Buffer.from("2.0\n") },
    { name: "control.tar.gz", bytes: gzipSync(encodeTar([{ name: "./control", bytes: Buffer.from(control) }])) },
    { name: "data.tar.gz", bytes: gzipSync(encodeTar(data)) },
  ]);
}

function lockOf(debs: readonly Buffer[]): Lock {
  const packages = Object.entries(PACKAGES).map(([name, { version, role }], index): LockedPackage => {
    const bytes = debs[index]!;
    return {
      name,
      version,
      architecture: "amd64",
      role: role ?? "image",
      repository: name === "plain" ? "trixie-security" : "trixie",
      path: `pool/main/${name}.deb`,
      sizeBytes: bytes.length,
      sha256: sha256Hex(bytes),
      source: { name: `${name}-src`, version },
      requestedBy: ["profile"],
    };
  });
  const suite = (name: string, archive: "main" | "security") => ({
    suite: name,
    components: ["main"],
    archive,
    inReleaseSha256: sha256Hex(name),
    date: "2026-05-28T08:49:23Z",
    signedBy: [],
  });
  return {
    schema: "cvm-build.lock/1",
    requestSha256: sha256Hex("request"),
    distribution: { id: "debian", release: "trixie", architecture: "amd64" },
    repositories: [suite("trixie", "main"), suite("trixie-security", "security")],
    packages,
    artifacts: [
      { name: "tool", kind: "npm", from: "@scope/tool@1.2.3", sha256: sha256Hex("tool") },
      { name: "local", kind: "path", from: "/home/somebody/file", sha256: sha256Hex("local") },
      { name: "web", kind: "https", from: "https://example.org/a?b=c", sha256: sha256Hex("web") },
    ],
    tools: { zstd: "1.5.7", segmentFormat: 1 },
  };
}

/** The parts of a manifest that releases read. */
type ManifestParts = Pick<Manifest, "schema" | "image" | "tools" | "lock" | "packages" | "artifacts" | "outputs">;

function manifestOf(image: { id: string; lock: Lock; lockText: string; efi: string }): ManifestParts {
  const { id, lock, lockText, efi } = image;
  const sorted = JSON.parse(lockText) as Lock;
  return {
    schema: "cvm-build.manifest/1",
    image: {
      id,
      version: "7",
      format: "uki",
      file: `${id}.efi`,
      profiles: [id],
      notices: [],
      kernelCommandLine: "quiet",
      sourceDateEpochSec: 1_757_635_200,
    },
    tools: { cvmBuild: "0.1.0", ...lock.tools },
    lock: { sha256: sha256Hex(lockText), repositories: lock.repositories },
    packages: sorted.packages.map((entry) => {
      const { files = 0 } = PACKAGES[entry.name]!;
      return { ...entry, installed: { files, sizeBytes: files * 10 } };
    }),
    artifacts: sorted.artifacts.map((entry) => ({ ...entry, sizeBytes: 1 })),
    outputs: [{ name: `${id}.efi`, sizeBytes: efi.length, sha256: sha256Hex(efi) }],
  };
}

/** Releases the image. */
export function release(
  built: BuiltImageFixture,
  request: Partial<ReleaseRequest> & { key: string },
): Promise<ReleaseReport> {
  return releaseImage({ choice: { image: built.image }, ...request }, built.project.surroundings);
}

/** Verifies a folder with the public half of a key that `writeKey` wrote. */
export function verify(built: BuiltImageFixture, directory: string, key: string): ReleaseVerification {
  return verifyRelease({ directory, key: `${key}.pub` }, built.project.surroundings);
}

/** What a release's provenance says. */
export function statementOf(directory: string): Record<string, any> {
  const envelope = readFileSync(join(directory, "node.provenance.json"), "utf8");
  return JSON.parse(decodeDsse(envelope).payload.bytes.toString()) as Record<string, any>;
}
