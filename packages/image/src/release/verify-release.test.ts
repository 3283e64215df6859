import { createPrivateKey, sign } from "node:crypto";
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { sha256Hex } from "@cvm-build/bytes";
import { keySigner } from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatChecksums, parseChecksums } from "./checksums.ts";
import { signDsse } from "./dsse.ts";
import { IN_TOTO } from "./provenance.ts";
import { verifyRelease } from "./release-keys.ts";
import { type BuiltImageFixture, makeBuiltImage, release, statementOf, verify } from "./release.fixture.ts";

describe("a changed release does not verify", () => {
  let built: BuiltImageFixture;
  let published: string;
  let count = 0;
  beforeAll(async () => {
    built = makeBuiltImage();
    built.writeKey("rsa");
    published = (await release(built, { key: built.writeKey("ed25519"), minisignKey: "ed25519" })).directory;
  });
  afterAll(() => built[Symbol.dispose]());

  function changed(change: (directory: string) => void) {
    const directory = join(built.project.path, `changed-${++count}`);
    cpSync(published, directory, { recursive: true, dereference: true });
    change(directory);
    const keys = { key: "ed25519.pub", minisignKey: "build/node/release/minisign.pub" };
    const { verified, checks } = verifyRelease({ directory, ...keys }, built.project.surroundings);
    return { verified, bad: checks.filter((check) => !check.verified).map(({ subject }) => subject) };
  }

  test("as it is, it does", () => expect(changed(() => {})).toEqual({ verified: true, bad: [] }));

  const flip = (name: string) => (directory: string) => {
    const path = join(directory, name);
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(path, bytes);
  };

  test.each([
    ["SHA256SUMS", ["SHA256SUMS.sig"]],
    ["SHA256SUMS.sig", ["SHA256SUMS.sig"]],
    ["SHA256SUMS.minisig", ["SHA256SUMS.minisig"]],
    ["node.provenance.json", ["node.provenance.json"]],
    ["node.efi", ["files"]],
    ["node.efi.extra.d/debug.addon.efi", ["files"]],
    ["node.spdx.json", ["files"]],
    ["release-key.pem", ["files"]],
  ])("with a bit of %s flipped", (name, bad) => {
    expect(changed(flip(name))).toEqual({ verified: false, bad });
  });

  test.each<[string, (directory: string) => void, string]>([
    ["a file added", (directory) => writeFileSync(join(directory, "more"), ""), "files"],
    ["a second provenance", (directory) => writeFileSync(join(directory, "x.provenance.json"), "{}"), "files"],
    ["a file removed", (directory) => rmSync(join(directory, "node.cdx.json")), "files"],
    ["no provenance", (directory) => rmSync(join(directory, "node.provenance.json")), "files"],
    ["no checksums", (directory) => rmSync(join(directory, "SHA256SUMS")), "SHA256SUMS.sig"],
    [
      "a line added to the checksums",
      (directory) => appendFileSync(join(directory, "SHA256SUMS"), `${"0".repeat(64)} *zzz\n`),
      "SHA256SUMS.sig",
    ],
    [
      "another image's name",
      (directory) => renameSync(join(directory, "node.provenance.json"), join(directory, "other.provenance.json")),
      "documents",
    ],
  ])("with %s", (_, change, subject) => {
    expect(changed(change)).toEqual({ verified: false, bad: [subject] });
  });

  test("with the provenance of another release", async () => {
    using other = makeBuiltImage();
    const path = join(other.project.path, "key");
    cpSync(join(built.project.path, "ed25519"), path);
    appendFileSync(join(other.project.path, other.image, "node.efi.extra.d/debug.addon.efi"), "!");
    const { directory } = await release(other, { key: path });
    const swap = (to: string) =>
      cpSync(join(directory, "node.provenance.json"), join(to, "node.provenance.json"), { dereference: true });
    expect(changed(swap)).toEqual({ verified: false, bad: ["node.provenance.json"] });
  });

  test("by somebody else's key", () => {
    expect(verify(built, published, "rsa")).toMatchObject({ verified: false, checks: [{ verified: false }] });
  });

  test.each<[string, (directory: string) => void]>([
    ["a link", (directory) => symlinkSync("/etc/hostname", join(directory, "link"))],
    ["a name that hides", (directory) => writeFileSync(join(directory, ".hidden"), "")],
    ["a name that is none", (directory) => writeFileSync(join(directory, "a\nb"), "")],
    ["folders without end", (directory) => mkdirSync(join(directory, "a/".repeat(20)), { recursive: true })],
  ])("a folder that holds %s is no release", (_, change) => {
    expect(() => changed(change)).toThrow(expect.objectContaining({ code: "release" }));
  });
});

describe("a release that is signed and contradicts itself does not verify", () => {
  let built: BuiltImageFixture;
  let published: string;
  beforeAll(async () => {
    built = makeBuiltImage();
    published = (await release(built, { key: built.writeKey("ed25519") })).directory;
  });
  afterAll(() => built[Symbol.dispose]());

  const alter = (name: string, change: (document: Record<string, any>) => void) => (directory: string) => {
    const path = join(directory, name);
    const document = JSON.parse(readFileSync(path, "utf8")) as Record<string, any>;
    change(document);
    writeFileSync(path, JSON.stringify(document));
  };

  /** Signs what is in the folder, as the builder would. */
  async function signAgain(directory: string, change: (statement: Record<string, any>) => void): Promise<void> {
    const key = createPrivateKey(readFileSync(join(built.project.path, "ed25519")));
    const signer = keySigner(key, "test");
    const sums = parseChecksums(readFileSync(join(directory, "SHA256SUMS"), "utf8"));
    const again = new Map([...sums.keys()].map((name) => [name, sha256Hex(readFileSync(join(directory, name)))]));
    const text = formatChecksums(again);
    writeFileSync(join(directory, "SHA256SUMS"), text);
    writeFileSync(join(directory, "SHA256SUMS.sig"), sign(null, Buffer.from(text), key).toString("base64"));
    const statement = statementOf(directory);
    statement["subject"] = [...again].map(([name, sha256]) => ({ name, digest: { sha256 } }));
    change(statement);
    const payload = { type: IN_TOTO, bytes: Buffer.from(JSON.stringify(statement)) };
    writeFileSync(join(directory, "node.provenance.json"), await signDsse(payload, signer));
  }

  test.each<[string, string, (directory: string) => void, ((statement: Record<string, any>) => void)?]>([
    ["nothing", "", () => {}],
    [
      "a package that SPDX leaves out",
      "packages of the SPDX document",
      alter("node.spdx.json", ({ packages }) => packages.pop()),
    ],
    [
      "another address in CycloneDX",
      "components of the CycloneDX document",
      alter("node.cdx.json", ({ components }) => (components[0].purl = "pkg:deb/debian/else@1")),
    ],
    [
      "another image in the measurements",
      "image of measurements.json",
      alter("measurements.json", ({ image }) => (image.sha256 = "0".repeat(64))),
    ],
    [
      "a package of another version in the manifest",
      "packages of manifest.json",
      alter("manifest.json", ({ packages }) => (packages[0].version = "2")),
    ],
    [
      "another image's manifest",
      "image id of manifest.json",
      alter("manifest.json", ({ image }) => (image.id = "else")),
    ],
    [
      "a package that is none",
      "packages of manifest.json",
      alter("manifest.json", ({ packages }) => (packages[0] = null)),
    ],
    ["a lock that is none", "lock", alter("cvm.lock", (lock) => delete lock["packages"])],
    [
      "provenance of other inputs",
      "dependencies of the provenance",
      () => {},
      (statement) => statement["predicate"].buildDefinition.resolvedDependencies.pop(),
    ],
    ["provenance of fewer files", "the subjects of SHA256SUMS", () => {}, (statement) => statement["subject"].pop()],
    ["another kind of statement", "slsa.dev", () => {}, (statement) => (statement["predicateType"] = "else")],
  ])("with %s", async (_, named, change, changeStatement = () => {}) => {
    const directory = join(built.project.path, "contradicting");
    rmSync(directory, { recursive: true, force: true });
    cpSync(published, directory, { recursive: true, dereference: true });
    change(directory);
    await signAgain(directory, changeStatement);
    const { verified, checks } = verify(built, directory, "ed25519");
    const faults = checks.filter((check) => !check.verified).map(({ detail }) => detail);
    expect({ verified, faults }).toEqual(
      named === "" ? { verified: true, faults: [] } : { verified: false, faults: [expect.stringContaining(named)] },
    );
  });
});

test("keys that are none, and folders that are none, are said to be", () => {
  using built = makeBuiltImage();
  built.writeKey("ec");
  const { surroundings } = built.project;
  const fail = (request: Partial<Parameters<typeof verifyRelease>[0]>) => () =>
    verifyRelease({ directory: built.image, key: "ec.pub", ...request }, surroundings);
  expect(fail({ key: "build/node/cvm.lock" })).toThrow(/cannot verify with key .* expected a PEM file/);
  expect(fail({ key: "missing" })).toThrow(expect.objectContaining({ code: "signature" }));
  expect(fail({ minisignKey: "ec.pub" })).toThrow(/expected a minisign public key/);
  expect(fail({ directory: "missing" })).toThrow(expect.objectContaining({ code: "release" }));
});
