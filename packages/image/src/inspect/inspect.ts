import { statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { type ByteSource, CvmError, FormatError } from "@cvm-build/bytes";
import { inspectUki, readUki, type UkiInspection } from "@cvm-build/uki";
import { openNamedFile } from "../named-file.ts";
import type { Surroundings } from "../surroundings.ts";
import { explainDamage } from "./damaged-image.ts";
import { dissect, type DissectedImage, systemReport } from "./dissect.ts";
import type { Dissection } from "./dissection.ts";
import { UNKNOWN_FORMAT } from "./formats/table.ts";
import { isPe } from "./formats/program.ts";
import { listTree, mtreeOf } from "./listing.ts";
import { inspectSystem } from "./operating-system.ts";
import { treeOfFolder } from "./trees/folder-tree.ts";
import type { FoundTree } from "./trees/found-tree.ts";
import { treeOfInitrd } from "./trees/initrd-tree.ts";
import { Workspace } from "./workspace.ts";

/** What to say of an image. */
export interface InspectRequest {
  /** Path of an image of any format that is known, made by anyone. */
  image: string;
  /** Compare data with hash trees. */
  verify?: boolean;
}

/** What is in an image: a PE file, or anything else. */
export type Inspection = ({ format: "pe" } & UkiInspection) | Dissection;

/** How a tree is listed. */
export type ListingForm = "list" | "mtree";

/**
 * Says what is in an image.
 * @throws CvmError `no-image`, `no-hash-tree` where there is nothing to verify, `format` where it is damaged
 */
export async function inspectImage(
  { image, verify = false }: InspectRequest,
  surroundings: Pick<Surroundings, "invocationDirectory">,
): Promise<Inspection> {
  const path = resolve(surroundings.invocationDirectory, image);
  if (isFolder(path)) return inspectFolder(path);
  using source = openNamedFile(path, "image");
  try {
    return await inspectFile(source, { path, verify });
  } catch (error) {
    throw explainDamage(error, path);
  }
}

async function inspectFile(
  source: ByteSource,
  { path, verify }: { path: string; verify: boolean },
): Promise<Inspection> {
  if (isPe(source)) {
    if (verify) throw nothingToVerify(basename(path));
    return { format: "pe", ...inspectUki(source) };
  }
  using workspace = new Workspace();
  const options = { name: basename(path), folder: dirname(path), verify, keepContents: false, workspace };
  const { report } = await dissect(source, options);
  if (report.format === UNKNOWN_FORMAT) {
    throw new FormatError({ record: "image" }, "expected a format that is known here, got other bytes");
  }
  if (verify && !hasHashTree(report)) throw nothingToVerify(options.name);
  return report;
}

/**
 * Lists the files of an image, one a line: a file system's or an archive's, those that a booted disk would show, or those
 * of a UKI's initrd.
 * @throws CvmError `no-image`, `no-files` where the image has none, `format` where it is damaged
 */
export async function listImage(
  { image, form }: { image: string; form: ListingForm },
  surroundings: Pick<Surroundings, "invocationDirectory">,
): Promise<string[]> {
  const path = resolve(surroundings.invocationDirectory, image);
  const linesOf = ({ tree }: FoundTree): string[] => [...(form === "list" ? listTree(tree) : mtreeOf(tree))];
  if (isFolder(path)) return linesOf(treeOfFolder(path));
  using source = openNamedFile(path, "image");
  using workspace = new Workspace();
  const keepContents = form === "mtree";
  try {
    const { tree } = await openTree(source, { name: basename(path), workspace, keepContents });
    return linesOf(tree);
  } catch (error) {
    throw explainDamage(error, path);
  }
}

/** How an image is opened for its files. */
export interface OpenTreeOptions {
  /** The file's name, without folders. */
  name: string;
  workspace: Workspace;
  /** Whether contents will be asked for. */
  keepContents: boolean;
}

/**
 * The files of an image.
 * @throws CvmError `no-files` where it has none, `format` where what it holds is damaged; FormatError where it is
 */
export async function openTree(
  source: ByteSource,
  options: OpenTreeOptions,
): Promise<{ tree: FoundTree; image: DissectedImage | undefined }> {
  if (isPe(source)) {
    const initrd = readUki(source).base.get(".initrd")?.content;
    if (!initrd) throw noFiles(options.name, "a UKI with an initrd");
    return { tree: treeOfInitrd(initrd, options.keepContents ? options.workspace : undefined), image: undefined };
  }
  const image = await dissect(source, { ...options, verify: false });
  const problem = image.report.contents?.problem;
  if (problem !== undefined) {
    const message = `cannot list files of ${JSON.stringify(options.name)}: expected ${image.report.format} that is whole`;
    throw new CvmError("format", message, { cause: new CvmError("format", problem) });
  }
  if (!image.tree) throw noFiles(options.name, "a file system or an archive that is read here");
  return { tree: image.tree, image };
}

function hasHashTree({ contents, partitions = [] }: Dissection): boolean {
  return [contents, ...partitions.map((partition) => partition.contents)].some((part) => part?.verity?.verification);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function inspectFolder(path: string): Dissection {
  const { tree, leftOut } = treeOfFolder(path);
  const name = basename(path);
  const sizes = [...tree.entries()].map(([, node]) => (node.kind === "file" ? node.content.sizeBytes : 0));
  return {
    ...systemReport(inspectSystem(tree, { imageName: name, hasEsp: false })),
    format: "directory",
    name,
    sizeBytes: sizes.reduce((sum, size) => sum + size, 0),
    layers: [],
    contents: { format: "directory", facts: { entries: tree.size - 1 } },
    problems: leftOut.map((what) => `left out: ${what}`),
  };
}

function nothingToVerify(name: string): CvmError<"no-hash-tree"> {
  return new CvmError("no-hash-tree", `cannot verify data of ${JSON.stringify(name)}: expected a hash tree, got none`, {
    hint: "disks have one in a partition, file systems in NAME.verity; `cvm-build verify` looks at signatures of programs",
  });
}

function noFiles(name: string, expected: string): CvmError<"no-files"> {
  return new CvmError("no-files", `cannot list files of ${JSON.stringify(name)}: expected ${expected}`, {
    hint: `cvm-build inspect ${name} says what it is`,
  });
}
