import { sha256Hex } from "@cvm-build/bytes";
import { openPackageIndex, type PackageIndex } from "./package-index.ts";
import { PackageUniverse } from "./universe.ts";

/**
 * Makes an index from stanzas that say only what a test is about: one paragraph a package, its first line `name [version]`, then
 * fields. The rest is filled in.
 */
export function makeIndex(paragraphs: string, { repository = "trixie" }: { repository?: string } = {}): PackageIndex {
  const stanzas = paragraphs
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim())
    .filter((paragraph) => paragraph !== "")
    .map((paragraph) => makeStanza(paragraph, { repository }));
  return openPackageIndex(Buffer.from(stanzas.join("\n")), { repository });
}

/** A universe of one suite. */
export function makeUniverse(paragraphs: string): PackageUniverse {
  return new PackageUniverse([makeIndex(paragraphs)]);
}

function makeStanza(paragraph: string, { repository }: { repository: string }): string {
  const [head = "", ...lines] = paragraph.split("\n").map((line) => line.trimEnd());
  const [name = "", version = "1"] = head.split(" ");
  const given = lines.join("\n");
  const missing = Object.entries({
    Version: version,
    Architecture: "amd64",
    Priority: "optional",
    Filename: `pool/main/${name}_${version}_${repository}.deb`,
    Size: "1000",
    SHA256: sha256Hex(`${name} ${version} ${repository} ${given}`),
  }).filter(([field]) => !new RegExp(`^${field}:`, "m").test(given));
  const filled = missing.map(([field, value]) => `${field}: ${value}`);
  return [`Package: ${name}`, ...filled, ...(given === "" ? [] : [given]), ""].join("\n");
}
