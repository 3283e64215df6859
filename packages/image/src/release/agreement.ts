import { compactCanonicalJson } from "@cvm-build/bytes";
import { type Lock, parseLock } from "@cvm-build/resolver";
import { LOCK_FILE } from "../locking.ts";
import type { Checksums } from "./checksums.ts";
import { type JsonPlace, parseJson } from "./json-document.ts";
import { lockedInputs } from "./locked-inputs.ts";
import { mismatch } from "./mismatch.ts";
import { resolvedDependencies } from "./provenance.ts";
import { RELEASE_DOCUMENTS } from "./release-files.ts";
import type { ReleaseFolder } from "./release-folder.ts";

const MANIFEST = "manifest.json";
const MEASUREMENTS = "measurements.json";
const MAX_ITEMS = 100_000;

/** What a release says that it is of. */
export interface ReleasedImage {
  id: string;
  version: string;
}

/** A release whose files and provenance are signed. */
interface SignedDocuments {
  sums: Checksums;
  id: string;
  statement: JsonPlace;
}

/**
 * Checks that what a release's documents say of one another is so: manifest, measurements and provenance are of the image
 * that is there, and they and both SBOMs name the inputs of the lock, no more and no fewer.
 * @throws CvmError `release`, `lock`; FormatError
 */
export function checkDocuments(folder: ReleaseFolder, documents: SignedDocuments): [string, ReleasedImage] {
  const { sums, id, statement } = documents;
  const open = (name: string) => parseJson(folder.read(name).toString("utf8"), name);
  const lock = parseLock(folder.read(LOCK_FILE).toString("utf8"), { file: LOCK_FILE });
  const manifest = open(MANIFEST);
  const image = { id: manifest.at("image").at("id").text(), version: manifest.at("image").at("version").text() };
  expectEqual(`image id of ${MANIFEST}`, image.id, id);
  checkManifest(manifest, { sums, lock });
  const measured = open(MEASUREMENTS).at("image");
  expectEqual(`image id of ${MEASUREMENTS}`, measured.at("id").text(), id);
  const named = manifest.at("image");
  // Manifests of builds before there was another format name no file.
  const file = named.has("file") ? named.at("file").text() : `${id}.efi`;
  expectEqual(`image of ${MEASUREMENTS}`, measured.at("sha256").text(), sums.get(file));
  const dependencies = statement.at("predicate").at("buildDefinition").at("resolvedDependencies");
  const locked = resolvedDependencies(lock, sums.get(LOCK_FILE)!);
  expectEqual("dependencies of the provenance", dependencies.value, locked);
  const inputs = lockedInputs(lock).map(({ sha256, purl }) => `${sha256} ${purl}`);
  const spdx = spdxInputs(open(`${id}${RELEASE_DOCUMENTS.spdx}`));
  expectEqual("packages of the SPDX document", spdx, inputs);
  const cycloneDx = cycloneDxInputs(open(`${id}${RELEASE_DOCUMENTS.cycloneDx}`));
  expectEqual("components of the CycloneDX document", cycloneDx, inputs);
  const facts = `manifest, measurements, provenance and both SBOMs are of the image and of the ${inputs.length} inputs`;
  return [`${facts} that ${LOCK_FILE} names`, image];
}

function checkManifest(manifest: JsonPlace, { sums, lock }: { sums: Checksums; lock: Lock }): void {
  expectEqual(`lock of ${MANIFEST}`, manifest.at("lock").at("sha256").text(), sums.get(LOCK_FILE));
  expectEqual(`packages of ${MANIFEST}`, without(manifest.at("packages"), "installed"), lock.packages);
  expectEqual(`artifacts of ${MANIFEST}`, without(manifest.at("artifacts"), "sizeBytes"), lock.artifacts);
  for (const output of manifest.at("outputs").list(MAX_ITEMS)) {
    const name = output.at("name").text();
    expectEqual(`${name} of ${MANIFEST}`, output.at("sha256").text(), sums.get(name));
  }
}

/** A list's objects without one of their fields. */
function without(place: JsonPlace, field: string): unknown[] {
  return place.list(MAX_ITEMS).map(({ value }) => {
    const { [field]: _, ...rest } = { ...(value as Record<string, unknown>) };
    return rest;
  });
}

/** The image itself is the package that has no address. */
function spdxInputs(document: JsonPlace): string[] {
  return document
    .at("packages")
    .list(MAX_ITEMS)
    .flatMap((entry) => {
      if (!entry.has("externalRefs")) return [];
      const [checksum] = entry.at("checksums").list(1);
      const [reference] = entry.at("externalRefs").list(1);
      return `${checksum?.at("checksumValue").text()} ${reference?.at("referenceLocator").text()}`;
    });
}

function cycloneDxInputs(document: JsonPlace): string[] {
  return document
    .at("components")
    .list(MAX_ITEMS)
    .map((entry) => {
      const [hash] = entry.at("hashes").list(1);
      return `${hash?.at("content").text()} ${entry.at("purl").text()}`;
    });
}

function expectEqual(what: string, found: unknown, expected: unknown): void {
  const [got, wanted] = [compactCanonicalJson(found ?? null), compactCanonicalJson(expected ?? null)];
  if (got === wanted) return;
  let at = 0;
  while (got[at] === wanted[at]) at++;
  const near = (text: string) => text.slice(Math.max(0, at - 40), at + 80);
  throw mismatch(what, near(wanted), near(got));
}
