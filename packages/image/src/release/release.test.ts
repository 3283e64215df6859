import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { sha256Hex } from "@cvm-build/bytes";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeDsse } from "./dsse.ts";
import { verifyRelease } from "./release-keys.ts";
import { type BuiltImageFixture, makeBuiltImage } from "./release.fixture.ts";
import { releaseImage, type ReleaseReport, type ReleaseRequest } from "./release.ts";

function release(built: BuiltImageFixture, request: Partial<ReleaseRequest> & { key: string }): Promise<ReleaseReport> {
  return releaseImage({ choice: { image: built.image }, ...request }, built.project.surroundings);
}

function verify(built: BuiltImageFixture, directory: string, key: string) {
  return verifyRelease({ directory, key: `${key}.pub` }, built.project.surroundings);
}

/** Every file below a folder, by path. */
function contentsOf(directory: string): Record<string, string> {
  const files = readdirSync(directory, { recursive: true, encoding: "utf8", withFileTypes: true });
  const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
  return Object.fromEntries(paths.sort().map((path) => [path.slice(directory.length), readFileSync(path, "latin1")]));
}

function statementOf(directory: string) {
  const envelope = readFileSync(join(directory, "node.provenance.json"), "utf8");
  return JSON.parse(decodeDsse(envelope).payload.bytes.toString()) as {
    subject: { name: string }[];
    predicate: {
      buildDefinition: { resolvedDependencies: unknown[] };
      runDetails: { builder: { id: string }; metadata?: unknown };
    };
  };
}

describe("a release", () => {
  let built: BuiltImageFixture;
  let report: ReleaseReport;
  beforeAll(async () => {
    built = makeBuiltImage();
    report = await release(built, { key: built.writeKey("ed25519"), minisignKey: "ed25519" });
  });
  afterAll(() => built[Symbol.dispose]());

  test("stands in the image's folder, whole and verified", () => {
    expect(report.directory).toBe(join(built.project.path, "build/node/release"));
    expect(readFileSync(join(report.directory, "SHA256SUMS"), "utf8").match(/\*.*/g)).toEqual([
      "*cvm.lock",
      "*manifest.json",
      "*measurements.json",
      "*minisign.pub",
      "*node.cdx.json",
      "*node.efi",
      "*node.efi.extra.d/debug.addon.efi",
      "*node.spdx.json",
      "*release-key.pem",
    ]);
    expect(report.verification.checks.map(({ subject, verified }) => [subject, verified])).toEqual([
      ["SHA256SUMS.sig", true],
      ["SHA256SUMS.minisig", true],
      ["files", true],
      ["node.provenance.json", true],
      ["documents", true],
    ]);
    expect(verify(built, report.directory, "ed25519")).toMatchObject({
      verified: true,
      image: { id: "node", version: "7" },
      unchecked: ["SHA256SUMS.minisig"],
    });
  });

  test("says what is known of licences", () => {
    expect(report.licenses).toEqual({ components: 7, identified: 0, withOwnTexts: 2, textOnly: 1, none: 4 });
  });

  test("names the inputs as the rest of the world does, and nobody's folders", () => {
    const { packages, hasExtractedLicensingInfos: texts } = JSON.parse(
      readFileSync(join(report.directory, "node.spdx.json"), "utf8"),
    ) as { packages: Record<string, unknown>[]; hasExtractedLicensingInfos: unknown[] };
    const locators = packages.map(({ externalRefs = [] }) => externalRefs as { referenceLocator: string }[]);
    const digest = (text: string) => sha256Hex(text);
    expect(locators.flatMap((references) => references.map(({ referenceLocator }) => referenceLocator))).toEqual([
      "pkg:deb/debian/libodd%2B%2B1@1:2.0-1%2Bb1?arch=amd64&distro=trixie",
      `pkg:generic/local?checksum=sha256:${digest("local")}`,
      "pkg:deb/debian/plain@1~rc1?arch=amd64&distro=trixie",
      "pkg:deb/debian/removed@3?arch=amd64&distro=trixie",
      "pkg:deb/debian/stub-efi@257?arch=amd64&distro=trixie",
      "pkg:npm/%40scope/tool@1.2.3",
      `pkg:generic/web?checksum=sha256:${digest("web")}&download_url=https:%2F%2Fexample.org%2Fa%3Fb%3Dc`,
    ]);
    const odd = `LicenseRef-Debian-Odd-${digest("Do as you like.").slice(0, 16)}`;
    expect(packages[1]).toMatchObject({ name: "libodd++1", licenseDeclared: `GPL-2.0-or-later OR ${odd}` });
    expect(packages[3]).toMatchObject({ name: "plain", licenseDeclared: "NOASSERTION" });
    expect(texts).toEqual([{ licenseId: odd, name: "Odd", extractedText: "Do as you like." }]);
    expect(JSON.stringify(contentsOf(report.directory)).match(/somebody/g)).toHaveLength(2); // lock and manifest
  });

  test("says which packages were resolved and left out", () => {
    const { components } = JSON.parse(readFileSync(join(report.directory, "node.cdx.json"), "utf8")) as {
      components: { name: string; scope: string }[];
    };
    expect(components.filter(({ scope }) => scope === "excluded").map(({ name }) => name)).toEqual(["removed"]);
  });

  test("bears no time of day unless one is given", async () => {
    expect(statementOf(report.directory).predicate.runDetails.metadata).toBeUndefined();
    const { directory } = await release(built, {
      key: "ed25519",
      output: "timed",
      finishedOn: "2026-01-01T00:00:00Z",
      builderId: "https://example.org/ci",
    });
    expect(statementOf(directory).predicate.runDetails).toMatchObject({
      builder: { id: "https://example.org/ci" },
      metadata: { finishedOn: "2026-01-01T00:00:00Z" },
    });
  });

  test.each(["rsa", "ec", "ed25519"] as const)("has the same bytes each time, with a key of kind %s", async (kind) => {
    const key = kind === "ed25519" ? kind : built.writeKey(kind);
    const minisign = { minisignKey: "ed25519" };
    const first = await release(built, { key, output: `first-${kind}`, ...minisign });
    const second = await release(built, { key, output: `second-${kind}`, ...minisign });
    expect(contentsOf(second.directory + "/")).toEqual(contentsOf(first.directory + "/"));
  });

  test("does not go into the image's own folder, nor over what is not ours", async () => {
    await expect(release(built, { key: "ed25519", output: "build/node/mine" })).rejects.toMatchObject({
      code: "usage",
    });
    mkdirSync(join(built.project.path, "precious"));
    await expect(release(built, { key: "ed25519", output: "precious" })).rejects.toMatchObject({ code: "output" });
  });

  test("a key that minisign cannot use leaves nothing behind", async () => {
    const attempt = release(built, { key: "ed25519", minisignKey: built.writeKey("rsa"), output: "never" });
    await expect(attempt).rejects.toMatchObject({ code: "signer" });
    expect(existsSync(join(built.project.path, "never"))).toBe(false);
  });
});

describe("an image whose documents do not agree is not released", () => {
  test.each([
    ["the image is not the built one", "node.efi", "another image", "node.efi of manifest.json"],
    ["the lock is not the one it was built with", "cvm.lock", undefined, "lock of manifest.json"],
  ])("%s", async (_, name, text, named) => {
    using built = makeBuiltImage();
    const path = join(built.project.path, built.image, name);
    writeFileSync(path, text ?? readFileSync(path, "utf8").replace('"zstd": "1.5.7"', '"zstd": "1.5.6"'));
    const attempt = release(built, { key: built.writeKey("ed25519") });
    await expect(attempt).rejects.toMatchObject({ code: "release", message: expect.stringContaining(named) });
    expect(existsSync(join(built.project.path, built.image, "release"))).toBe(false);
  });
});

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
