import { type FileTree, readContent } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { profileFixture } from "../profile.fixture.ts";
import { treeFixture } from "../tree.fixture.ts";
import { caCertificatesFinisher } from "./ca-certificates.ts";
import { makeCertificate, makePem } from "./certificate.fixture.ts";

const ISRG = makePem(
  makeCertificate([
    [{ type: "C", text: "US" }],
    [{ type: "O", text: "Internet Security Research Group" }],
    [{ type: "CN", text: "ISRG Root X1" }],
  ]),
);
const OTHER = makePem(makeCertificate([[{ type: "CN", text: "other" }]]));
/** The subject of `OTHER`, but another certificate. */
const NAMESAKE = makePem(makeCertificate([[{ type: "CN", text: "Other" }]], { version: false }));

function finish(tree: FileTree) {
  return caCertificatesFinisher.finish(tree, { profile: profileFixture() } as never);
}

function certificatesOf(tree: FileTree): Record<string, string> {
  const names = tree.list("/etc/ssl/certs").map((name) => [name, tree.get(`/etc/ssl/certs/${name}`)] as const);
  return Object.fromEntries(
    names.map(([name, node]) => [
      name,
      node?.kind === "symlink" ? node.target : node?.kind === "file" ? readContent(node.content).toString() : "",
    ]),
  );
}

describe("caCertificatesFinisher", () => {
  it("bundles and links every certificate where nothing is configured", async () => {
    const tree = treeFixture({
      "/usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt": ISRG,
      "/usr/share/ca-certificates/mozilla/An (odd), one.crt": OTHER.trimEnd(),
      "/usr/local/share/ca-certificates/own/mine.crt": NAMESAKE,
      "/usr/share/ca-certificates/README": "no certificate",
    });
    expect((await finish(tree)).summary).toBe("3 certificates");
    expect(certificatesOf(tree)).toEqual({
      "26487dc1.0": "An_=odd=__one.pem",
      "26487dc1.1": "mine.pem",
      "4042bcee.0": "ISRG_Root_X1.pem",
      "An_=odd=__one.pem": "/usr/share/ca-certificates/mozilla/An (odd), one.crt",
      "ISRG_Root_X1.pem": "/usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt",
      "ca-certificates.crt": OTHER + ISRG + NAMESAKE,
      "mine.pem": "/usr/local/share/ca-certificates/own/mine.crt",
    });
  });

  it("follows the configuration in the tree, in its order", async () => {
    const tree = treeFixture({
      "/usr/share/ca-certificates/a.crt": OTHER,
      "/usr/share/ca-certificates/b.crt": ISRG,
      "/usr/share/ca-certificates/c.crt": NAMESAKE,
      "/etc/ca-certificates.conf": "# comment\nb.crt\n!c.crt\n\n a.crt \n",
      "/etc/ssl/certs/deadbeef.0": "left over",
    });
    await finish(tree);
    expect(certificatesOf(tree)["ca-certificates.crt"]).toBe(ISRG + OTHER);
    expect(tree.has("/etc/ssl/certs/deadbeef.0")).toBe(false);
  });

  it.each([
    [
      "a certificate that is not there",
      { "/etc/ca-certificates.conf": "gone.crt\n" },
      'cannot trust "/usr/share/ca-certificates/gone.crt"',
    ],
    [
      "a certificate in DER",
      { "/usr/local/share/ca-certificates/der.crt": "0\x82" },
      "expected a PEM certificate, got other text",
    ],
    [
      "a damaged certificate",
      { "/usr/local/share/ca-certificates/bad.crt": "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n" },
      "/etc/ssl/certs/bad.pem",
    ],
    [
      "text that is not base64",
      { "/usr/local/share/ca-certificates/bad.crt": "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n" },
      "cannot decode PEM: expected base64",
    ],
  ] satisfies [string, Record<string, string>, string][])("refuses %s", (_, files, message) => {
    const tree = treeFixture({ "/usr/share/ca-certificates/a.crt": OTHER, ...files });
    expect(() => finish(tree)).toThrow(message);
  });

  it("has nothing to do without certificates", async () => {
    expect(await finish(treeFixture({}))).toEqual({ summary: "no certificates in the tree", paths: [] });
  });
});
