import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { xz } from "@napi-rs/lzma";
import { createCleartextMessage, generateKey, type PrivateKey, sign } from "openpgp";

/** A package of a made-up archive. */
export interface MadePackage {
  name: string;
  version: string;
  bytes: Buffer;
}

/** A made-up suite; what is not given is as a good archive has it. */
export interface MadeSuite {
  suite: string;
  packages: MadePackage[];
  date: string;
  validUntil?: string;
  /** What the release file calls itself, if not `suite`. */
  codename?: string;
  components?: string[];
  compressions?: ("" | ".gz" | ".xz")[];
  byHash?: boolean;
  /** Changes the release file before it is signed. */
  edit?: (release: string) => string;
}

/** A key as an archive has it, with its armoured certificate. */
export interface MadeKey {
  privateKey: PrivateKey;
  armored: string;
  fingerprint: string;
}

/** A fresh signing key, made at the start of 2026; `days` is how long it is good, where it expires. */
export async function makeKey(name: string, { days }: { days?: number } = {}): Promise<MadeKey> {
  const { privateKey, publicKey } = await generateKey({
    type: "curve25519",
    userIDs: [{ name, email: `${name}@archive.invalid` }],
    date: new Date("2026-01-01T00:00:00Z"),
    ...(days !== undefined && { keyExpirationTime: days * 86_400 }),
    format: "object",
  });
  return { privateKey, armored: publicKey.armor(), fingerprint: publicKey.getFingerprint().toUpperCase() };
}

/** The files of a suite, by path below the archive's base, and its unsigned release file. */
export function makeSuite(made: MadeSuite): { files: Map<string, Buffer>; release: string } {
  const files = new Map<string, Buffer>();
  const components = made.components ?? ["main"];
  const listed: string[] = [];
  for (const component of components) {
    const own = component === "main" ? made.packages : [];
    const text = Buffer.from(own.map(stanzaOf).join("\n"));
    const path = `${component}/binary-amd64/Packages`;
    const compressions = made.compressions ?? [".xz"];
    listed.push(` ${sha256(text)} ${text.length} ${path}`);
    for (const extension of compressions) {
      const bytes = { "": () => text, ".gz": () => gzipSync(text), ".xz": () => xz.compressSync(text) }[extension]();
      if (extension !== "") listed.push(` ${sha256(bytes)} ${bytes.length} ${path}${extension}`);
      files.set(`/dists/${made.suite}/${path}${extension}`, bytes);
      if (made.byHash === true) {
        files.set(`/dists/${made.suite}/${component}/binary-amd64/by-hash/SHA256/${sha256(bytes)}`, bytes);
      }
    }
  }
  for (const each of made.packages) files.set(`/${poolPath(each)}`, each.bytes);
  const release = [
    "Origin: Made",
    "Suite: stable",
    `Codename: ${made.codename ?? made.suite}`,
    `Date: ${made.date}`,
    ...(made.validUntil === undefined ? [] : [`Valid-Until: ${made.validUntil}`]),
    `Acquire-By-Hash: ${made.byHash === true ? "yes" : "no"}`,
    "Architectures: amd64 arm64",
    `Components: ${components.join(" ")}`,
    "SHA256:",
    ...listed,
    "",
  ].join("\n");
  return { files, release: made.edit?.(release) ?? release };
}

/** Clear-signs a release file. */
export async function signRelease(release: string, { privateKey }: MadeKey, date: Date): Promise<string> {
  return sign({ message: await createCleartextMessage({ text: release }), signingKeys: privateKey, date });
}

/** The files of a signed suite, by path below the archive's base. */
export async function makeArchive(made: MadeSuite, key: MadeKey): Promise<Map<string, Buffer>> {
  const { files, release } = makeSuite(made);
  const signed = await signRelease(release, key, new Date("2026-11-01T00:00:00Z"));
  return files.set(`/dists/${made.suite}/InRelease`, Buffer.from(signed));
}

/** Where a package is below the archive's base. */
export function poolPath({ name, version }: MadePackage): string {
  return `pool/main/${name[0]}/${name}/${name}_${version}_amd64.deb`;
}

/** SHA-256 in hex, by Node's own words. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function stanzaOf(made: MadePackage): string {
  return [
    `Package: ${made.name}`,
    `Version: ${made.version}`,
    "Architecture: amd64",
    `Filename: ${poolPath(made)}`,
    `Size: ${made.bytes.length}`,
    `SHA256: ${sha256(made.bytes)}`,
    "",
  ].join("\n");
}
