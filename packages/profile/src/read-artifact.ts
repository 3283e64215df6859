import { dirname, resolve } from "node:path";
import { artifactSchema, NPM_PACKAGE, type WrittenArtifact } from "./artifact-schema.ts";
import { quoteText } from "./error.ts";
import type { ArtifactDeclaration } from "./profile.ts";
import { isImagePath } from "./value-kind.ts";
import { YamlDocument } from "./yaml-document.ts";

const SOURCES = ["npm", "https", "deb", "path"] as const;
const DIGESTS = { npm: "integrity", https: "sha256", deb: "sha256", path: undefined } as const;
const DEFAULT_MODE = "0644";

/**
 * Reads an artefact's YAML.
 * @param file the file's name in positions; the artefact is named after it
 * @param place `directory` (absolute) is where `file` is relative to; local paths start beside the file
 * @throws CvmError `profile-bad-declaration` with file, line and column
 */
export function parseArtifact(
  text: string,
  file: string,
  { directory = "/" }: { directory?: string } = {},
): ArtifactDeclaration {
  const name = file.replace(/^[^]*\//, "").replace(/\.yaml$/, "");
  const document = new YamlDocument(text, { noun: "artifact", name, file });
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw document.fault([], "a file name of letters, digits and -._", { got: quoteText(`${name}.yaml`) });
  }
  const written = document.validate(artifactSchema());
  const source = readSource(written, { document, base: dirname(resolve(directory, file)) });
  const files = (written.files ?? []).map(({ from, to, mode = DEFAULT_MODE }, index) => {
    if (!isImagePath(to)) throw document.fault(["files", index, "to"], "an absolute path without . and ..");
    return { ...(from === undefined ? {} : { from }), to, mode: Number.parseInt(mode, 8) };
  });
  if (files.length === 0 && source.kind !== "deb") {
    throw document.fault(["files"], `at least one file: where ${source.kind} ${quoteText(name)} goes`);
  }
  const { description } = written;
  return {
    name,
    position: document.positionOf([]),
    source,
    files,
    ...(description === undefined ? {} : { description }),
  };
}

function readSource(
  written: WrittenArtifact,
  { document, base }: { document: YamlDocument; base: string },
): ArtifactDeclaration["source"] {
  const [kind, other] = SOURCES.filter((candidate) => written[candidate] !== undefined);
  if (kind === undefined || other !== undefined) {
    const got = kind === undefined ? "none" : `${kind} and ${other}`;
    throw document.fault(other === undefined ? [] : [other], `one of ${SOURCES.join(", ")}`, { got });
  }
  for (const digest of ["integrity", "sha256"] as const) {
    if (DIGESTS[kind] === digest && written[digest] === undefined) {
      throw document.fault([], `${digest} beside ${kind}`, { got: "none" });
    }
    if (DIGESTS[kind] !== digest && written[digest] !== undefined) {
      throw document.fault([digest], `${DIGESTS[kind] ?? "no digest"} beside ${kind}`, { got: digest });
    }
  }
  const value = written[kind]!;
  switch (kind) {
    case "npm": {
      const [, packageName, version] = NPM_PACKAGE.exec(value)!;
      return { kind, package: packageName!, version: version!, integrity: written.integrity! };
    }
    case "path":
      return { kind, path: resolve(base, value) };
    default:
      return { kind, url: value, sha256: written.sha256! };
  }
}
