import { constants, copyFileSync, mkdirSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import { type Lock, parseLock } from "@cvm-build/resolver";
import { LOCK_FILE } from "../locking.ts";
import { findImage, type ImageChoice } from "../machine.ts";
import type { Manifest } from "../manifest.ts";
import { explainWriteFailure, type Generation, OutputDirectory } from "../output.ts";
import { signerOptions } from "../signing.ts";
import type { Surroundings } from "../surroundings.ts";
import { type Checksums, formatChecksums } from "./checksums.ts";
import { type Copyrights, fetchCopyrights } from "./copyrights.ts";
import { signDsse } from "./dsse.ts";
import type { PackageLicense } from "./license/license-expression.ts";
import { decodeMinisignPublicKey } from "./minisign/reader.ts";
import { formatMinisignPublicKey, signMinisign } from "./minisign/writer.ts";
import { IN_TOTO, provenanceStatement, UNNAMED_BUILDER } from "./provenance.ts";
import { RELEASE_DOCUMENTS, RELEASE_FILES, RELEASE_FOLDER } from "./release-files.ts";
import { ReleaseFolder } from "./release-folder.ts";
import { openReleaseSigners, type ReleaseKeyReferences, type ReleaseSigners } from "./release-signers.ts";
import { type BillOfMaterials, billOfMaterials } from "./sbom/bill-of-materials.ts";
import { encodeCycloneDx } from "./sbom/cyclonedx.ts";
import { encodeSpdx } from "./sbom/spdx.ts";
import { SIGNATURE_HASH } from "./signature.ts";
import { type ReleaseVerification, verifyReleaseFolder } from "./verify-release.ts";

/** What to release, and who signs. */
export interface ReleaseRequest extends ReleaseKeyReferences {
  choice: ImageChoice;
  /** Folder of the release, relative to where the command was typed; `release` in the image's folder unless given. */
  output?: string;
  /** A URI that names who built the image. */
  builderId?: string;
  /** When the build ended, ISO 8601 in UTC. Left out of the provenance unless given. */
  finishedOn?: string;
}

/** What a release holds, and what was found out about it before it was published. */
export interface ReleaseReport {
  /** Absolute. */
  directory: string;
  image: { id: string; version: string };
  /** Sorted by name. */
  files: { name: string; sizeBytes: number }[];
  licenses: LicenseCount;
  verification: ReleaseVerification;
}

/** How much is known about the licences of an image's packages and artefacts. */
export interface LicenseCount {
  components: number;
  /** Whose licences are all SPDX's own. */
  identified: number;
  /** Which have others beside; their texts are in the SPDX document. */
  withOwnTexts: number;
  /** Whose copyright file is not machine-readable. */
  textOnly: number;
  /** That have no copyright file. */
  none: number;
}

/** What a build left. */
interface Build {
  directory: string;
  manifest: Manifest;
  lock: Lock;
}

/**
 * Makes a signed release of an image that was built before. It is verified as others will verify it, and only then takes
 * its place.
 * @throws CvmError `no-image`, `release`, `signer`, `output`; StoreError for packages that cannot be had
 */
export async function releaseImage(request: ReleaseRequest, surroundings: Surroundings): Promise<ReleaseReport> {
  const { output: image } = findImage(request.choice, surroundings);
  const built = readBuild(image);
  const output = releaseOutput(request.output, { image, surroundings });
  await using signers = await openReleaseSigners(request, signerOptions(surroundings));
  const copyrights = await fetchCopyrights(built.lock, { choice: request.choice, surroundings });
  try {
    using generation = output.startGeneration();
    const bill = fillRelease(generation, { built, copyrights, signers });
    await signRelease(generation, { built, signers, request });
    const verification = verifyOwn(generation, signers);
    surroundings.signal?.throwIfAborted();
    const { files } = new ReleaseFolder(generation.directory);
    generation.publish();
    return {
      directory: output.path,
      image: { id: built.manifest.image.id, version: built.manifest.image.version },
      files: [...files].map(([name, sizeBytes]) => ({ name, sizeBytes })),
      licenses: countLicenses(bill),
      verification: { ...verification, directory: output.path },
    };
  } catch (error) {
    throw explainWriteFailure(error);
  }
}

function readBuild(image: OutputDirectory): Build {
  const manifest = image.readJson<Manifest>("manifest.json");
  const file = join(image.path, LOCK_FILE);
  return { directory: image.path, manifest, lock: parseLock(image.read(LOCK_FILE) ?? "", { file }) };
}

function releaseOutput(
  chosen: string | undefined,
  { image, surroundings }: { image: OutputDirectory; surroundings: Surroundings },
): OutputDirectory {
  const fallback = new OutputDirectory(image.path, RELEASE_FOLDER);
  if (chosen === undefined) return fallback;
  const path = resolve(surroundings.invocationDirectory, chosen);
  if (path === fallback.path) return fallback;
  if (!`${path}${sep}`.startsWith(`${image.path}${sep}`)) return new OutputDirectory(dirname(path), basename(path));
  throw new CvmError("usage", `cannot release into "${chosen}": expected a folder outside the image's, got one in it`, {
    hint: "without --output, a release goes where the image's folder has a place for it",
  });
}

/** Copies the image's files and writes what describes them. */
function fillRelease(
  generation: Generation,
  { built, copyrights, signers }: { built: Build; copyrights: Copyrights; signers: ReleaseSigners },
): BillOfMaterials {
  const { directory, manifest, lock } = built;
  const { id } = manifest.image;
  const source = new ReleaseFolder(directory, { except: [RELEASE_FOLDER, `.${RELEASE_FOLDER}`] });
  for (const name of source.files.keys()) {
    mkdirSync(dirname(generation.path(name)), { recursive: true });
    copyFileSync(join(directory, name), generation.path(name), constants.COPYFILE_FICLONE);
  }
  const bill = billOfMaterials({
    manifest,
    manifestSha256: generation.digest("manifest.json").sha256,
    imageSha256: generation.digest(manifest.image.file).sha256,
    lock,
    copyrights,
  });
  generation.write(`${id}${RELEASE_DOCUMENTS.spdx}`, encodeSpdx(bill));
  generation.write(`${id}${RELEASE_DOCUMENTS.cycloneDx}`, encodeCycloneDx(bill));
  generation.write(RELEASE_FILES.publicKey, signers.signer.publicKey.export({ type: "spki", format: "pem" }));
  if (signers.minisign) generation.write(RELEASE_FILES.minisignPublicKey, formatMinisignPublicKey(signers.minisign));
  return bill;
}

/** Signs all that is in a release. */
async function signRelease(
  generation: Generation,
  { built, signers, request }: { built: Build; signers: ReleaseSigners; request: ReleaseRequest },
): Promise<void> {
  const { manifest, lock } = built;
  const { signer, minisign } = signers;
  const { files } = new ReleaseFolder(generation.directory);
  const subjects: Checksums = new Map([...files.keys()].map((name) => [name, generation.digest(name).sha256]));
  const statement = provenanceStatement({
    manifest,
    lock,
    subjects,
    builderId: request.builderId ?? UNNAMED_BUILDER,
    finishedOn: request.finishedOn,
  });
  const payload = { type: IN_TOTO, bytes: Buffer.from(JSON.stringify(statement)) };
  const sums = Buffer.from(formatChecksums(subjects));
  const signature = await signer.sign(sums, SIGNATURE_HASH);
  generation.write(RELEASE_FILES.checksums, sums);
  generation.write(RELEASE_FILES.signature, signature.toString("base64"));
  generation.write(`${manifest.image.id}${RELEASE_DOCUMENTS.provenance}`, await signDsse(payload, signer));
  if (!minisign) return;
  const { id, version } = manifest.image;
  const trustedComment = `${id} ${version}\tfile:${RELEASE_FILES.checksums}\thashed`;
  generation.write(RELEASE_FILES.minisignature, await signMinisign(sums, minisign, { trustedComment }));
}

/** A signer may be faulty, and a build's files may have changed: what others would refuse is not published. */
function verifyOwn({ directory }: Generation, { signer, minisign }: ReleaseSigners): ReleaseVerification {
  const verification = verifyReleaseFolder(directory, {
    publicKey: signer.publicKey,
    minisign: minisign && decodeMinisignPublicKey(formatMinisignPublicKey(minisign)),
  });
  const failed = verification.checks.find(({ verified }) => !verified);
  if (!failed) return verification;
  throw new CvmError("release", `cannot release the image: expected a release that verifies, got: ${failed.detail}`, {
    hint: "build the image again, with --force",
  });
}

function countLicenses({ components }: BillOfMaterials): LicenseCount {
  const count = (predicate: (license: PackageLicense) => boolean) =>
    components.filter(({ license }) => predicate(license)).length;
  return {
    components: components.length,
    identified: count(({ expression, extracted }) => expression !== undefined && extracted.length === 0),
    withOwnTexts: count(({ extracted }) => extracted.length > 0),
    textOnly: count(({ kind }) => kind === "text"),
    none: count(({ kind }) => kind === "none"),
  };
}
