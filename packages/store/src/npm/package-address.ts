import type { Downloader } from "../download/downloader.ts";
import { StoreError } from "../errors.ts";

/** A package of the npm registry at one version. */
export interface NpmPackage {
  package: string;
  version: string;
}

/** Larger than any package's metadata. */
const MAX_METADATA_BYTES = 64 << 20;

/** The short form of a package's metadata: what an installer needs. @see npm registry, "package-metadata.md" */
const ABBREVIATED = "application/vnd.npm.install-v1+json, application/json;q=0.8";

/** Integrity in npm's form that can be relied on: one SHA-512 in base64. @see W3C Subresource Integrity, 3.5 */
const SHA512_INTEGRITY = /^sha512-([A-Za-z0-9+/]{86}==)$/;

/** Names as the registry allows them, so that one cannot lead elsewhere in its address. */
const PACKAGE_NAME = /^(@[a-z0-9~-][\w.~-]*\/)?[a-z0-9~-][\w.~-]*$/i;
const VERSION = /^\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$/;

/**
 * The digest in an `integrity`, in hex.
 * @returns undefined where it is no SHA-512
 */
export function sha512OfIntegrity(integrity: string): string | undefined {
  const base64 = SHA512_INTEGRITY.exec(integrity)?.[1];
  return base64 === undefined ? undefined : Buffer.from(base64, "base64").toString("hex");
}

/** Whether a declaration names a package and one exact version of it. */
export function isExactPackage({ package: name, version }: NpmPackage): boolean {
  return PACKAGE_NAME.test(name) && VERSION.test(version);
}

/** Where registries keep a package's tarball by convention. */
function tarballAddress(registry: string, { package: name, version }: NpmPackage): string {
  return `${registry}/${name}/-/${name.slice(name.indexOf("/") + 1)}-${version}.tgz`;
}

/**
 * What the registry says of a package version.
 * @param options.artifact the artefact's name, for messages
 * @returns the tarball's addresses, the registry's own first: the one in the metadata may name a host that only the
 * registry's origin reaches
 * @throws StoreError `not-found`, `malformed`, and as downloads do
 */
export async function readNpmPackage(
  wanted: NpmPackage,
  {
    registry,
    artifact,
    downloader,
    hint,
  }: { registry: string; artifact: string; downloader: Downloader; hint: string },
): Promise<{ tarballs: string[]; integrity: string | undefined }> {
  const { bytes, url } = await downloader.read({
    kind: "artifact",
    name: artifact,
    urls: [`${registry}/${wanted.package.replace("/", "%2f")}`],
    maxBytes: MAX_METADATA_BYTES,
    accept: ABBREVIATED,
    hint,
  });
  const versions = versionsOf(bytes, url);
  const entry = Object.hasOwn(versions, wanted.version) ? versions[wanted.version] : undefined;
  if (entry === undefined) {
    const known = Object.keys(versions);
    throw new StoreError(
      "not-found",
      `cannot fetch artifact "${artifact}": expected ${registry} to have ${wanted.package}@${wanted.version}, got ${known.length} other versions`,
      { hint: `the newest is ${known.at(-1) ?? "none"}; ${hint}`, details: { versions: known } },
    );
  }
  const tarballs = [
    tarballAddress(registry, wanted),
    ...(isWebAddress(entry.dist?.tarball) ? [entry.dist.tarball] : []),
  ];
  return { tarballs: [...new Set(tarballs)], integrity: entry.dist?.integrity };
}

interface VersionEntry {
  dist?: { tarball?: string; integrity?: string };
}

function versionsOf(bytes: Buffer, url: string): Record<string, VersionEntry> {
  try {
    const { versions } = JSON.parse(bytes.toString("utf8")) as { versions?: Record<string, VersionEntry> };
    if (versions !== null && typeof versions === "object") return versions;
  } catch {
    // Said below: an answer that is no JSON is as useless as one without versions.
  }
  throw new StoreError("malformed", `cannot read "${url}": expected npm package metadata, got something else`);
}

function isWebAddress(text: unknown): text is string {
  return typeof text === "string" && /^https?:\/\//.test(text);
}
