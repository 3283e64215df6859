import { basename, dirname, resolve } from "node:path";
import { type ByteSource, CvmError, FormatError } from "@cvm-build/bytes";
import { inspectUki, readUki, type UkiInspection } from "@cvm-build/uki";
import { openNamedFile } from "../named-file.ts";
import type { Surroundings } from "../surroundings.ts";
import { dissect, type DissectedImage } from "./dissect.ts";
import type { Dissection } from "./dissection.ts";
import { isPe } from "./formats/program.ts";
import { listTree, mtreeOf } from "./listing.ts";
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
 * @throws CvmError `no-image`; FormatError where it is damaged
 */
export async function inspectImage(
  { image, verify = false }: InspectRequest,
  surroundings: Pick<Surroundings, "invocationDirectory">,
): Promise<Inspection> {
  const path = resolve(surroundings.invocationDirectory, image);
  using source = openNamedFile(path, "image");
  if (isPe(source)) return { format: "pe", ...inspectUki(source) };
  using workspace = new Workspace();
  const options = { name: basename(path), folder: dirname(path), verify, keepContents: false, workspace };
  return (await dissect(source, options)).report;
}

/**
 * Lists the files of an image, one a line: a file system's or an archive's, those that a booted disk would show, or those
 * of a UKI's initrd.
 * @throws CvmError `no-image`, `no-files` where the image has none; FormatError where it is damaged
 */
export async function listImage(
  { image, form }: { image: string; form: ListingForm },
  surroundings: Pick<Surroundings, "invocationDirectory">,
): Promise<string[]> {
  const path = resolve(surroundings.invocationDirectory, image);
  using source = openNamedFile(path, "image");
  using workspace = new Workspace();
  const keepContents = form === "mtree";
  const { tree } = await openTree(source, { name: basename(path), workspace, keepContents });
  return [...(form === "list" ? listTree(tree.tree) : mtreeOf(tree.tree))];
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
 * @throws CvmError `no-files` where it has none; FormatError where it is damaged
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
  if (problem !== undefined) throw new FormatError({ record: image.report.format }, problem);
  if (!image.tree) throw noFiles(options.name, "a file system or an archive that is read here");
  return { tree: image.tree, image };
}

function noFiles(name: string, expected: string): CvmError<"no-files"> {
  return new CvmError("no-files", `cannot list files of ${JSON.stringify(name)}: expected ${expected}`, {
    hint: `cvm-build inspect ${name} says what it is`,
  });
}
