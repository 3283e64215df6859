import { CvmError } from "@cvm-build/bytes";
import { describe, expect, test } from "vitest";
import { parseArtifact } from "./read-artifact.ts";

const SHA256 = "66f1460040aabd30bbc4c4b0bfe098da0fb009d7f42fc24e23be5404c5f8f26c";
const INTEGRITY = `sha512-${"A".repeat(86)}==`;
const parse = (text: string) => parseArtifact(text, "profiles/dev/artifacts/anvil.yaml", { directory: "/tree" });

test.each<[text: string, expected: object]>([
  [
    `deb: https://example.org/reth.deb\nsha256: ${SHA256}\n`,
    { source: { kind: "deb", url: "https://example.org/reth.deb", sha256: SHA256 }, files: [] },
  ],
  [
    `npm: "@foundry-rs/anvil-linux-amd64@1.7.1"\nintegrity: ${INTEGRITY}\nfiles:\n  - { from: bin/anvil, to: /usr/bin/anvil, mode: "0755" }\n`,
    {
      source: { kind: "npm", package: "@foundry-rs/anvil-linux-amd64", version: "1.7.1", integrity: INTEGRITY },
      files: [{ from: "bin/anvil", to: "/usr/bin/anvil", mode: 0o755 }],
    },
  ],
  [
    `https: https://example.org/x\nsha256: ${SHA256}\nfiles: [{to: /x}]\ndescription: An x\n`,
    {
      source: { kind: "https", url: "https://example.org/x", sha256: SHA256 },
      files: [{ to: "/x", mode: 0o644 }],
      description: "An x",
    },
  ],
  [
    `path: ../bin/x\nfiles: [{to: /x}]\n`,
    { source: { kind: "path", path: "/tree/profiles/dev/bin/x" }, files: [{ to: "/x", mode: 0o644 }] },
  ],
])("%j", (text, expected) => {
  const position = { file: "profiles/dev/artifacts/anvil.yaml", line: 1, column: 1 };
  expect(parse(text)).toEqual({ name: "anvil", position, ...expected });
});

describe("what is refused", () => {
  test.each<[text: string, message: string, hint?: string]>([
    ["files: [{to: /x}]\n", "expected one of npm, https, deb, path, got none"],
    [
      `path: x\ndeb: https://x/y\nfiles: [{to: /x}]\n`,
      '"path" of artifact "anvil" at profiles/dev/artifacts/anvil.yaml:1:7: expected one of npm, https, deb, path, got deb and path',
    ],
    ["deb: https://x/y\n", "expected sha256 beside deb, got none"],
    [`npm: x@1.0.0\nsha256: ${SHA256}\nfiles: [{to: /x}]\n`, "expected integrity beside npm, got none"],
    [`npm: x@1.0.0\nintegrity: ${INTEGRITY}\nsha256: ${SHA256}\n`, "expected integrity beside npm, got sha256"],
    [`path: x\nsha256: ${SHA256}\nfiles: [{to: /x}]\n`, "expected no digest beside path, got sha256"],
    [`deb: https://x/y\nsha256: ${SHA256.toUpperCase()}\n`, "expected 64 lower-case hex digits"],
    ["npm: x@latest\n", "expected a package with its version such as @foundry-rs/anvil-linux-amd64@1.7.1"],
    ["path: x\n", 'expected at least one file: where path "anvil" goes, got nothing'],
    ["path: x\nfiles: [{to: x}]\n", 'expected an absolute path, got "x"'],
    ["path: x\nfiles: [{to: /a/../x}]\n", "expected an absolute path without . and .."],
    [
      "path: x\nfiles: [{to: /x, mode: 0755}]\n",
      'expected an octal mode in quotes such as "0755", got the number 0755',
      "put the value in quotes",
    ],
    ["path: x\nfiels: []\n", "expected one of description, npm,", "did you mean files?"],
  ])("%j", (text, message, hint) => {
    let error: unknown;
    try {
      parse(text);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(CvmError);
    expect((error as CvmError).message).toContain(message);
    expect(error).toMatchObject({ code: "profile-bad-declaration", hint });
  });
});
