import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256Hex } from "@cvm-build/bytes";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BuiltImageFixture, makeBuiltImage, release, statementOf, verify } from "./release.fixture.ts";
import type { ReleaseReport } from "./release.ts";

/** Every file below a folder, by path. */
function contentsOf(directory: string): Record<string, string> {
  const files = readdirSync(directory, { recursive: true, encoding: "utf8", withFileTypes: true });
  const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
  return Object.fromEntries(paths.sort().map((path) => [path.slice(directory.length), readFileSync(path, "latin1")]));
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
    expect(statementOf(report.directory)["predicate"].runDetails.metadata).toBeUndefined();
    const { directory } = await release(built, {
      key: "ed25519",
      output: "timed",
      finishedOn: "2026-01-01T00:00:00Z",
      builderId: "https://example.org/ci",
    });
    expect(statementOf(directory)["predicate"].runDetails).toMatchObject({
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
