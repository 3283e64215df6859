import type { z as Zod } from "zod";
import { jsonSchemaOf, schemaParts, zod } from "./schema.ts";

let made: ReturnType<typeof makeArtifactSchema> | undefined;

/** The schema of `artifacts/NAME.yaml`, made once. */
export function artifactSchema(): ReturnType<typeof makeArtifactSchema> {
  made ??= makeArtifactSchema(zod());
  return made;
}

/** What an author writes in `artifacts/NAME.yaml`. */
export type WrittenArtifact = Zod.output<ReturnType<typeof makeArtifactSchema>>;

/** Gives the JSON Schema (draft 2020-12) of an artefact's file, for editors. */
export function artifactJsonSchema(): Record<string, unknown> {
  return jsonSchemaOf(artifactSchema(), "cvm-build artifact");
}

function makeArtifactSchema(z: typeof Zod) {
  const { text, list, mapping, absolutePath, address } = schemaParts(z);
  return mapping({
    description: text("a sentence").optional().describe("What it is, in a few words."),
    npm: text("a package with its version such as @foundry-rs/anvil-linux-amd64@1.7.1", NPM_PACKAGE)
      .optional()
      .describe("An npm package as name@version; needs `integrity`."),
    integrity: text("npm's integrity, sha512- and base64", /^sha512-[A-Za-z0-9+/]{86}==$/)
      .optional()
      .describe("As `npm view NAME@VERSION dist.integrity` prints it."),
    https: address.optional().describe("A file's address; needs `sha256`."),
    deb: address
      .optional()
      .describe("A Debian package's address; needs `sha256`. All of it is unpacked unless `files` are named."),
    sha256: text("64 lower-case hex digits", /^[0-9a-f]{64}$/).optional(),
    path: text("a path").optional().describe("A local file, relative to the declaration."),
    files: list(
      mapping({
        from: text("a path inside the archive", /^[^\0]+$/)
          .optional()
          .describe("Path inside the archive; left out for a plain file."),
        to: absolutePath.describe("Absolute path in the image."),
        mode: text('an octal mode in quotes such as "0755"', /^[0-7]{3,4}$/)
          .optional()
          .describe('Default: "0644".'),
      }),
    )
      .optional()
      .describe("What goes where in the image."),
  });
}

/** A package's name, with its scope if it has one, and an exact version. */
export const NPM_PACKAGE = /^((?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*)@([0-9][0-9A-Za-z.+-]*)$/;
