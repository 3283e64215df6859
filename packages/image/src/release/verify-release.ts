import type { KeyObject } from "node:crypto";
import { CvmError } from "@cvm-build/bytes";
import { checkDocuments, type ReleasedImage } from "./agreement.ts";
import { decodeBase64 } from "./base64.ts";
import { type Checksums, parseChecksums } from "./checksums.ts";
import { decodeDsse, verifyDsse } from "./dsse.ts";
import { type JsonPlace, parseJson } from "./json-document.ts";
import { decodeMinisignature, type MinisignKey, verifyMinisign } from "./minisign/reader.ts";
import { mismatch } from "./mismatch.ts";
import { IN_TOTO, PROVENANCE_TYPE, STATEMENT_TYPE } from "./provenance.ts";
import { RELEASE_DOCUMENTS, RELEASE_FILES } from "./release-files.ts";
import { ReleaseFolder } from "./release-folder.ts";
import { verifies } from "./signature.ts";

/** How many files that are not as they must be are named at once. */
const MAX_FAULTS = 8;

/** The keys that a release must be signed with. */
export interface ReleaseKeys {
  publicKey: KeyObject;
  /** Where it is absent, a minisign signature is not looked at. */
  minisign?: MinisignKey | undefined;
}

/** One thing that was looked at. */
export interface ReleaseCheck {
  /** A file of the release, or what several have in common. */
  subject: string;
  verified: boolean;
  /** What was found. */
  detail: string;
}

/** What was found out about a release. */
export interface ReleaseVerification {
  directory: string;
  /** Whether everything is as it must be. */
  verified: boolean;
  /** What was released; only where everything is. */
  image?: ReleasedImage;
  /** In order. What rests on something that failed is not looked at. */
  checks: ReleaseCheck[];
  /** Signatures for which no key was given. */
  unchecked: string[];
}

/**
 * Verifies a release: who signed it, that every file is the one that was signed and none was added, and that its
 * documents agree. Documents are read only once their digest is known to be signed.
 * @throws CvmError `release` where the folder cannot be read, or holds what no release does
 */
export function verifyReleaseFolder(directory: string, keys: ReleaseKeys): ReleaseVerification {
  const folder = new ReleaseFolder(directory);
  const checks: ReleaseCheck[] = [];
  const check = <T>(subject: string, look: () => [detail: string, found: T]): T | undefined => {
    try {
      const [detail, found] = look();
      checks.push({ subject, verified: true, detail });
      return found;
    } catch (error) {
      if (!(error instanceof CvmError)) throw error;
      checks.push({ subject, verified: false, detail: error.message });
      return undefined;
    }
  };
  const { minisign } = keys;
  const sums = check(RELEASE_FILES.signature, () => checkSignature(folder, keys));
  if (sums && minisign) check(RELEASE_FILES.minisignature, () => checkMinisign(folder, minisign));
  const whole = sums && check("files", () => checkFiles(folder, sums));
  const statement = whole && check(whole.provenance, () => checkProvenance(folder, { ...whole, keys }));
  const image = statement && check("documents", () => checkDocuments(folder, { ...whole, statement }));
  const verified = image !== undefined && checks.every((one) => one.verified);
  return {
    directory,
    verified,
    ...(verified && { image }),
    checks,
    unchecked: !minisign && folder.files.has(RELEASE_FILES.minisignature) ? [RELEASE_FILES.minisignature] : [],
  };
}

function checkSignature(folder: ReleaseFolder, { publicKey }: ReleaseKeys): [string, Checksums] {
  const message = folder.read(RELEASE_FILES.checksums);
  const text = folder.read(RELEASE_FILES.signature).toString("latin1").trimEnd();
  const signature = decodeBase64(text, RELEASE_FILES.signature);
  if (!verifies(publicKey, { message, signature })) {
    throw mismatch(RELEASE_FILES.checksums, "a signature of the given key", "one that is not its signature");
  }
  const sums = parseChecksums(message.toString("latin1"));
  return [`${RELEASE_FILES.checksums} is signed by the given ${publicKey.asymmetricKeyType} key`, sums];
}

function checkMinisign(folder: ReleaseFolder, key: MinisignKey): [string, true] {
  const signature = decodeMinisignature(folder.read(RELEASE_FILES.minisignature).toString("utf8"));
  if (!verifyMinisign(folder.read(RELEASE_FILES.checksums), signature, key)) {
    throw mismatch(RELEASE_FILES.checksums, "a signature of the given minisign key", "one that is not its signature");
  }
  return [`signed with the given minisign key: ${JSON.stringify(signature.trustedComment)}`, true];
}

/** A release whose files are those that were signed. */
interface WholeRelease {
  sums: Checksums;
  id: string;
  /** Name of the provenance. */
  provenance: string;
}

function checkFiles(folder: ReleaseFolder, sums: Checksums): [string, WholeRelease] {
  const { signature, minisignature, checksums } = RELEASE_FILES;
  const own: readonly string[] = [checksums, signature, minisignature];
  const [provenance, ...provenances] = [...folder.files.keys()].filter((name) => isProvenance(name) && !sums.has(name));
  if (provenance === undefined) throw mismatch("files", "the image's provenance beside them", "none");
  const faults = [
    ...[...sums.keys()].filter((name) => !folder.files.has(name)).map((name) => `missing ${name}`),
    ...[...folder.files.keys()]
      .filter((name) => !sums.has(name) && !own.includes(name) && !isProvenance(name))
      .map((name) => `added ${name}`),
    ...provenances.map((name) => `added ${name}`),
    ...[...sums]
      .filter(([name, sha256]) => folder.files.has(name) && folder.digest(name) !== sha256)
      .map(([name]) => `altered ${name}`),
  ];
  if (faults.length > 0) throw mismatch("files", "those that were signed and no other", summarise(faults));
  const sizeBytes = [...sums.keys()].reduce((sum, name) => sum + (folder.files.get(name) ?? 0), 0);
  const id = provenance.slice(0, -RELEASE_DOCUMENTS.provenance.length);
  const facts = `${sums.size} files of ${sizeBytes} bytes are those that were signed, and no other is there`;
  return [facts, { sums, id, provenance }];
}

function summarise(faults: readonly string[]): string {
  const more = faults.length - MAX_FAULTS;
  return `${faults.slice(0, MAX_FAULTS).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function isProvenance(name: string): boolean {
  return name.endsWith(RELEASE_DOCUMENTS.provenance) && !name.includes("/");
}

function checkProvenance(
  folder: ReleaseFolder,
  { provenance, sums, keys }: WholeRelease & { keys: ReleaseKeys },
): [string, JsonPlace] {
  const envelope = decodeDsse(folder.read(provenance).toString("utf8"));
  if (!verifyDsse(envelope, keys.publicKey)) {
    throw mismatch(provenance, "a signature of the given key", "one that is not its signature");
  }
  const { type, bytes } = envelope.payload;
  if (type !== IN_TOTO) throw mismatch(provenance, IN_TOTO, type);
  const statement = parseJson(bytes.toString("utf8"), provenance);
  expectText(provenance, statement.at("_type"), STATEMENT_TYPE);
  expectText(provenance, statement.at("predicateType"), PROVENANCE_TYPE);
  const subjects = statement.at("subject").list(sums.size);
  const listed = new Map(subjects.map((one) => [one.at("name").text(), one.at("digest").at("sha256").text()]));
  const missing = [...sums].find(([name, sha256]) => listed.get(name) !== sha256);
  if (missing || listed.size !== sums.size) {
    throw mismatch(provenance, `the subjects of ${RELEASE_FILES.checksums}`, `none for ${missing?.[0] ?? "one"}`);
  }
  const builder = statement.at("predicate").at("runDetails").at("builder").at("id").text();
  return [`signed by the same key; ${sums.size} subjects are the files; built by ${builder}`, statement];
}

function expectText(name: string, place: JsonPlace, expected: string): void {
  const found = place.text();
  if (found !== expected) throw mismatch(name, expected, found);
}
