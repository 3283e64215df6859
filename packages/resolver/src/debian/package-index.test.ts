import { FormatError, sha256Hex } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { openBarePackage, openPackageIndex, type PackageIndex } from "./package-index.ts";
import { makeIndex } from "./packages.fixture.ts";

const TEXT = `Package: libc6
Source: glibc (2.41-12)
Version: 2.41-12+b1
Architecture: amd64
Multi-Arch: same
Essential: no
Priority: required
Provides: libc6-abi (= 2.41), libm:any
Depends: libgcc-s1,
 libcrypt1 (>= 1:4.4) | libxcrypt
Breaks: a | b, c
Filename: pool/main/g/glibc/libc6.deb
Size: 2847580
SHA256: ${"ab".repeat(32)}

Version: 5
Package: bash
Architecture: all
Protected: yes
Essential: yes
Provides: libc6-abi
Filename: pool/b.deb
Size: 1
SHA256: ${"cd".repeat(32)}
`;

function open(text: string): PackageIndex {
  return openPackageIndex(Buffer.from(text), { repository: "trixie" });
}

test("fields are decoded when they are asked for", () => {
  const index = open(TEXT);
  expect(index.stanzaCount).toBe(2);
  expect([...index.names()]).toEqual(["libc6", "bash"]);
  expect(index.stanzasProviding("libc6-abi")).toEqual([0, 1]);
  expect(index.stanzasProviding("libm:any")).toEqual([0]);
  expect(index.essentialStanzas()).toEqual([1]);
  expect(index.record(0)).toEqual({
    name: "libc6",
    version: "2.41-12+b1",
    architecture: "amd64",
    repository: "trixie",
    path: "pool/main/g/glibc/libc6.deb",
    sizeBytes: 2847580,
    sha256: "ab".repeat(32),
    source: { name: "glibc", version: "2.41-12" },
    priority: 1,
    essential: false,
    important: false,
    multiArch: "same",
    dependencies: [
      { field: "depends", alternatives: [{ name: "libgcc-s1" }] },
      {
        field: "depends",
        alternatives: [{ name: "libcrypt1", operator: ">=", version: "1:4.4" }, { name: "libxcrypt" }],
      },
      { field: "breaks", alternatives: [{ name: "a" }] },
      { field: "breaks", alternatives: [{ name: "b" }] },
      { field: "breaks", alternatives: [{ name: "c" }] },
    ],
    provides: [
      { name: "libc6-abi", operator: "=", version: "2.41" },
      { name: "libm", architecture: "any" },
    ],
  });
  expect(index.record(1)).toMatchObject({ name: "bash", essential: true, important: true, priority: 0 });
  expect(index.record(1).source).toEqual({ name: "bash", version: "5" });
});

test.each([
  ["", 0],
  ["\n\n\n", 0],
  ["\n\nPackage: a\n\n\n\nPackage: b\n", 2],
  ["Package: a", 1],
])("%j has %i stanzas", (text, count) => {
  expect(open(text).stanzaCount).toBe(count);
});

test.each([
  ["Version: 1\n"],
  ["Package: \n"],
  ["Package: -x\n"],
  ["Package: a b\n"],
  [`Package: a\n${"x".repeat(2 << 20)}`],
])("%.30j is not an index", (text) => {
  expect(() => open(text)).toThrow(FormatError);
});

test.each([
  ["Version: ", "version"],
  ["Architecture: ", "architecture"],
  ["Size: 1e3", "size"],
  ["Size: -1", "size"],
  ["Size: 99999999999999", "size"],
  ["SHA256: AB", "sha256"],
  ["Filename: /etc/passwd", "filename"],
  ["Filename: pool/../../x", "filename"],
  ["Depends: a b", "depends"],
  ["Provides: (", "provides"],
])("a stanza with %j is refused", (line, field) => {
  expect(() => makeIndex(`a\n${line}`).record(0)).toThrow(
    expect.objectContaining({ name: "FormatError", field }) as Error,
  );
});

test("a bare package is an index of one", () => {
  const control = Buffer.from("Package: reth\nVersion: 1.11.2\nArchitecture: amd64\nMaintainer: Zoë <z@example.org>\n");
  const bare = { repository: "https://example.org/reth.deb", path: "/reth.deb", sizeBytes: 42, sha256: sha256Hex("x") };
  expect(openBarePackage(control, bare).record(0)).toMatchObject({
    name: "reth",
    repository: "https://example.org/reth.deb",
    path: "reth.deb",
    sizeBytes: 42,
    sha256: sha256Hex("x"),
  });
  expect(() => openBarePackage(Buffer.from("Package: a\n\nPackage: b\n"), bare)).toThrow(FormatError);
});

test("mutated indexes give records or a FormatError", () => {
  const bytes = Buffer.from(TEXT);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 })), { maxLength: 8 }),
      fc.nat({ max: bytes.length }),
      (changes, end) => {
        const mutated = Buffer.from(bytes.subarray(0, end));
        for (const [at, value] of changes) if (at < end) mutated[at] = value;
        readAll(mutated);
      },
    ),
    { seed: 2, numRuns: 3000 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), readAll), { seed: 3, numRuns: 1000 });
});

function readAll(bytes: Uint8Array): void {
  try {
    const index = openPackageIndex(bytes, { repository: "fuzz" });
    index.stanzasProviding("x");
    for (let stanza = 0; stanza < index.stanzaCount; stanza++) index.record(stanza);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}
