import { createHash } from "node:crypto";
import { compareCodeUnits, type Sha256Hex } from "@cvm-build/bytes";
import type { Lock } from "@cvm-build/resolver";
import type { Manifest } from "../../manifest.ts";
import { PROGRAM_VERSION } from "../../program.ts";
import type { Copyrights } from "../copyrights.ts";
import { type ExtractedLicense, type PackageLicense, packageLicense } from "../license/license-expression.ts";
import { type LockedInput, lockedInputs } from "../locked-inputs.ts";

/** What an image is made of; both SBOM formats say the same of it. */
export interface BillOfMaterials {
  image: { id: string; version: string; file: string; sha256: Sha256Hex };
  /** Moment of the image's files, ISO 8601 in UTC. */
  created: string;
  /** An identifier that only this bill has: of the image's manifest and of who wrote the bill. */
  uuid: string;
  /** Sorted by name. */
  components: Component[];
  /** Licences that SPDX has no identifier for, sorted by id. */
  extracted: ExtractedLicense[];
}

/** One package or artefact of a lock, and what is known of its licence. */
export interface Component extends LockedInput {
  /** False where it was resolved and all its files are left out. */
  isInImage: boolean;
  license: PackageLicense;
}

/** What a bill is made from. */
export interface BillInput {
  manifest: Pick<Manifest, "image" | "packages">;
  manifestSha256: Sha256Hex;
  imageSha256: Sha256Hex;
  lock: Lock;
  copyrights: Copyrights;
}

/** Collects the bill of materials of an image. */
export function billOfMaterials({ manifest, lock, copyrights, ...digests }: BillInput): BillOfMaterials {
  const { id, version, file, sourceDateEpochSec } = manifest.image;
  const leftOut = leftOutOf(manifest);
  const components = lockedInputs(lock).map((input): Component => {
    const license = packageLicense(copyrights.get(input.sha256));
    return { ...input, isInImage: !leftOut.has(input.sha256), license };
  });
  const extracted = new Map(components.flatMap(({ license }) => license.extracted).map((one) => [one.id, one]));
  return {
    image: { id, version, file, sha256: digests.imageSha256 },
    created: new Date(sourceDateEpochSec * 1000).toISOString().replace(/\.\d+Z$/, "Z"),
    uuid: nameBasedUuid(`urn:cvm-build:bill-of-materials:${PROGRAM_VERSION}:${digests.manifestSha256}`),
    components,
    extracted: [...extracted.values()].sort((a, b) => compareCodeUnits(a.id, b.id)),
  };
}

/** Packages of which the image has nothing. */
function leftOutOf({ packages }: Pick<Manifest, "packages">): ReadonlySet<Sha256Hex> {
  const has = ({ role, installed }: Manifest["packages"][number]) => role !== "image" || installed.files > 0;
  const present = new Set(packages.filter(has).map(({ sha256 }) => sha256));
  return new Set(packages.map(({ sha256 }) => sha256).filter((sha256) => !present.has(sha256)));
}

const URL_NAMESPACE = Buffer.from("6ba7b8119dad11d180b400c04fd430c8", "hex");

/** @see RFC 9562, 5.5 "UUID Version 5" and 6.6 (the namespace of URLs) */
function nameBasedUuid(name: string): string {
  const bytes = createHash("sha1").update(URL_NAMESPACE).update(name).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x50;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
