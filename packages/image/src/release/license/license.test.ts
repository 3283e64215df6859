import { sha256Hex } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseCopyrightFile } from "./copyright-file.ts";
import { packageLicense } from "./license-expression.ts";
import { spdxLicense } from "./license-names.ts";

const FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n";

function licenseOf(...stanzas: string[]) {
  return packageLicense(Buffer.from([FORMAT, ...stanzas].join("\n")));
}

function files(license: string): string {
  return `Files: *\nCopyright: 2026 someone\nLicense: ${license}\n`;
}

/** The identifier of a text that SPDX has no word for. */
function reference(name: string, text: string): string {
  return `LicenseRef-Debian-${name}-${sha256Hex(text).slice(0, 16)}`;
}

describe("short names", () => {
  test.each([
    ["GPL-2", "GPL-2.0-only"],
    ["GPL-2+", "GPL-2.0-or-later"],
    ["gpl-2.0+", "GPL-2.0-or-later"],
    ["GPL-2.0-or-later", "GPL-2.0-or-later"],
    ["LGPL-2.1", "LGPL-2.1-only"],
    ["LGPL-3.0+", "LGPL-3.0-or-later"],
    ["GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"],
    ["Expat", "MIT"],
    ["BSD-3-clause", "BSD-3-Clause"],
    ["Apache-2", "Apache-2.0"],
    ["zlib", "Zlib"],
    ["CC0", "CC0-1.0"],
  ])("%s is %s", (name, id) => expect(spdxLicense(name)).toBe(id));

  test.each([
    "MIT",
    "X11",
    "BSD",
    "Artistic",
    "GPL",
    "public-domain",
    "GPL-4",
    "GPL-2++",
    "Apache-2.0+",
    "constructor",
  ])("%s is nothing certain", (name) => expect(spdxLicense(name)).toBeUndefined());

  test("an exception has SPDX's own name, or is nothing certain", () => {
    expect(spdxLicense("GPL-2", "Linux-syscall-note")).toBe("GPL-2.0-only WITH Linux-syscall-note");
    expect(spdxLicense("GPL-2+", "OpenSSL")).toBeUndefined();
  });
});

describe("expressions", () => {
  // The first three are the specification's own examples of how operators and commas bind.
  test.each([
    ["GPL-1+ or Artistic-2.0", "GPL-1.0-or-later OR Artistic-2.0"],
    ["GPL-2+ or Artistic-2.0 and BSD-3-clause", "GPL-2.0-or-later OR (Artistic-2.0 AND BSD-3-Clause)"],
    ["GPL-2+ or Artistic-2.0, and BSD-3-clause", "(GPL-2.0-or-later OR Artistic-2.0) AND BSD-3-Clause"],
    ["GPL-2 with Linux-syscall-note exception or Expat", "GPL-2.0-only WITH Linux-syscall-note OR MIT"],
    ["Expat  and  MIT-0", "MIT AND MIT-0"],
    ["Expat and expat", "MIT"],
    ["Expat\u2028and ISC", "MIT AND ISC"],
  ])("%s is %s", (synopsis, expression) => {
    expect(licenseOf(files(synopsis))).toEqual({ kind: "machine-readable", expression, extracted: [] });
  });

  test("all that is named for any file is joined, each once", () => {
    const { expression } = licenseOf(files("Expat"), files("GPL-2 or ISC"), files("Expat and Zlib"));
    expect(expression).toBe("MIT AND (GPL-2.0-only OR ISC) AND Zlib");
  });
});

describe("what SPDX has no word for", () => {
  test("is referred to by name and text, wherever the text stands", () => {
    const below = licenseOf(files("Odd_one\n Do as you like.\n .\n  Or not."));
    const text = "Do as you like.\n\n Or not.";
    expect(below.extracted).toEqual([{ id: reference("Odd-one", text), name: "Odd_one", text }]);
    expect(below.expression).toBe(reference("Odd-one", text));
    const apart = licenseOf(files("Expat or odd_one"), "License: Odd_one\n Do as you like.\n .\n  Or not.\n");
    expect(apart.expression).toBe(`MIT OR ${reference("odd-one", text)}`);
  });

  test("is told apart by its text", () => {
    const { expression, extracted } = licenseOf(files("public-domain\n A."), files("public-domain\n B."));
    expect(extracted.map(({ text }) => text).sort()).toEqual(["A.", "B."]);
    expect(expression).toBe(`${reference("public-domain", "A.")} AND ${reference("public-domain", "B.")}`);
  });

  test("a line that is no expression is one name", () => {
    expect(licenseOf(files("see the source, and weep at it")).expression).toBe(
      reference("see-the-source-and-weep-at-it", ""),
    );
  });
});

test("no machine-readable file, no expression", () => {
  expect(packageLicense(undefined)).toEqual({ kind: "none", extracted: [] });
  for (const text of [
    "It is GPL-2.\n",
    FORMAT,
    `${FORMAT}\nFiles: *\nCopyright: none\n`,
    `Format: else\n\n${files("Expat")}`,
  ])
    expect(packageLicense(Buffer.from(text))).toEqual({ kind: "text", extracted: [] });
});

test("any text is a copyright file or none, and any licence line an expression", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      parseCopyrightFile(Buffer.from(`${FORMAT}\n${text}`));
      const line = text.replaceAll(/[\r\n]/g, " ");
      const { expression } = licenseOf(files(line));
      expect(expression).toMatch(/^[()A-Za-z0-9.+ -]+$/);
    }),
  );
});
