import { resolve } from "node:path";
import { derivedUuid } from "@cvm-build/bytes";
import { OUTPUT_FORMATS, PARTITIONED_FORMATS } from "../output-format.ts";
import { type DefaultContext, filling, list, one } from "../setting.ts";
import { choice, integer, path, textItem, uuid, NO, spell, YES } from "../value-kind.ts";

const OTHER_FORMATS = ["esp", "none", "oci"];

const word = textItem("a name of letters, digits and -._", /^[A-Za-z0-9][A-Za-z0-9._-]*$/);

/** `[Output]`: what is written, and under which name. */
export const OUTPUT_SETTINGS = [
  filling("output.format", {
    section: "Output",
    name: "Format",
    kind: one(choice(OUTPUT_FORMATS, { known: OTHER_FORMATS, useInstead: "use disk, uki or tar" })),
    default: () => "uki",
    match: "equal",
    specifier: "t",
    summary: "What is built.",
  }),
  filling("output.imageId", {
    section: "Output",
    name: "ImageId",
    kind: one(word),
    default: () => "image",
    isDefaultHidden: true,
    match: "glob",
    specifier: "i",
    summary: "Names the image: its files, os-release, the directory below `build/`.",
  }),
  filling("output.imageVersion", {
    section: "Output",
    name: "ImageVersion",
    kind: one(textItem("a version such as 1.2", /^[A-Za-z0-9][A-Za-z0-9._~^+-]*$/)),
    default: () => "0",
    isDefaultHidden: true,
    match: "version",
    specifier: "v",
    besides: [{ suffix: "version", take: "text" }],
    summary: "The image's version.",
  }),
  filling("output.outputDirectory", {
    section: "Output",
    name: "OutputDirectory",
    kind: one(path),
    default: (context) => resolve(context.invocationDirectory, "build"),
    defaultNote: "`build` below the working directory",
    specifier: "O",
    besides: [{ suffix: "output", take: "path" }],
    summary: "Where the image's directory is put.",
  }),
  filling("output.compressOutput", {
    section: "Output",
    name: "CompressOutput",
    kind: one(
      choice(["zstd", "gzip", "none"], {
        spellings: {
          zst: "zstd",
          gz: "gzip",
          ...spell("zstd", YES),
          ...spell("none", NO),
        },
        known: ["xz", "bz2", "lz4", "lzma"],
      }),
    ),
    default: () => "zstd",
    summary: "How the initrd is compressed, or the tree of `cpio` and `tar`.",
  }),
  filling("output.compressLevel", {
    section: "Output",
    name: "CompressLevel",
    kind: one(integer(0, 22)),
    default: () => 3,
    summary: "The compressor's level.",
  }),
  filling("output.seed", {
    section: "Output",
    name: "Seed",
    kind: one(uuid("-")),
    default: seedOf,
    defaultNote: "made from `ImageId=`",
    besides: [{ suffix: "seed", take: "text" }],
    summary: "Where identifiers that look random come from: those of disks, partitions and file systems, and salts.",
  }),
  filling("output.diskFormats", {
    section: "Output",
    name: "DiskFormat",
    kind: list(choice(["raw", "qcow2", "vhd", "gcp"]), { collect: (formats) => [...new Set(formats)] }),
    default: () => ["raw"],
    formats: PARTITIONED_FORMATS,
    isOurs: true,
    summary: "The files that a disk is written as: `vhd` is Azure's, `gcp` a `tar.gz` of `disk.raw`.",
  }),
  filling("output.notices", {
    section: "Output",
    name: "Notice",
    kind: list(textItem("a sentence"), { split: "lines" }),
    isOurs: true,
    summary: "Sentences that the summary, the manifest and the last lines on screen repeat.",
  }),
] as const;

/** A UUID of the image's id: stable without being written anywhere. */
function seedOf(context: DefaultContext): string {
  return derivedUuid("cvm-build seed", String(context.value("Output.ImageId")));
}
