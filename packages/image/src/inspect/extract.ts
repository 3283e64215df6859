import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { borrowedChunksOf, type ByteSource, CvmError } from "@cvm-build/bytes";
import { encodeMtree, FileTree, writeDirectory } from "@cvm-build/fs-writer";
import { readUki } from "@cvm-build/uki";
import { openNamedFile } from "../named-file.ts";
import { explainWriteFailure } from "../output.ts";
import type { Surroundings } from "../surroundings.ts";
import { explainDamage } from "./damaged-image.ts";
import { dissect, type DissectedImage } from "./dissect.ts";
import { FreshFolder } from "./fresh-folder.ts";
import { isPe } from "./formats/program.ts";
import { openTree } from "./inspect.ts";
import { lossesOf, type NotMade } from "./losses.ts";
import { ROOT_ATTRIBUTES } from "./trees/found-tree.ts";
import { Workspace, writeSparse } from "./workspace.ts";

/** What to take out of an image. */
export interface ExtractRequest {
  /** Path of an image of any format that `inspect` knows. */
  image: string;
  /**
   * Paths of files and directories, which begin with a slash; sections of a UKI, which begin with a dot; partitions, as
   * `partition:root` or `partition:2`. Where there are none: all sections, all partitions, or all files.
   */
  wanted: string[];
  /** Path of a folder that is not there yet, or is empty. */
  output: string;
}

/** What was taken out. */
export interface ExtractReport {
  output: string;
  /** An mtree of the files with what of them could not be made; absent where no files were asked for. */
  manifest?: string;
  files: number;
  directories: number;
  symlinks: number;
  /** Names of partitions and sections in the folder. */
  parts: string[];
  sizeBytes: number;
  /** What of the files is in the manifest only. */
  notMade: NotMade[];
}

export type { NotMade } from "./losses.ts";

/** A partition or section that goes into a file of its own. */
interface Part {
  name: string;
  source: ByteSource;
}

const PARTITION_PREFIX = "partition:";
const MANIFEST = "manifest";

/**
 * Takes files, partitions or sections out of an image, as any user: owners, devices, set-id bits and extended attributes
 * are in a manifest beside the folder. The folder appears whole or not at all, and nothing outside it is written to.
 * @throws CvmError `no-image`, `exists`, `no-files`, `no-such-part`, `output`, `disk-full`, `format`
 */
export async function extractImage(
  request: ExtractRequest,
  surroundings: Pick<Surroundings, "invocationDirectory" | "signal">,
): Promise<ExtractReport> {
  const { invocationDirectory, signal } = surroundings;
  const imagePath = resolve(invocationDirectory, request.image);
  const output = resolve(invocationDirectory, request.output);
  using source = openNamedFile(imagePath, "image");
  try {
    using folder = new FreshFolder(output);
    using workspace = new Workspace(folder.scratch);
    const name = basename(imagePath);
    const paths = request.wanted.filter((wanted) => wanted.startsWith("/"));
    const partNames = request.wanted.filter((wanted) => !wanted.startsWith("/"));
    const isAll = request.wanted.length === 0;
    const parts = await partsOf(source, { name, workspace, partNames, isAll });
    const wantsFiles = paths.length > 0 || (isAll && parts.length === 0);
    const files = wantsFiles ? await writeFiles(source, { name, workspace, paths, folder }) : undefined;
    if (!files) mkdirSync(folder.path, { mode: 0o755 });
    for (const part of parts) {
      signal?.throwIfAborted();
      writePart(folder.path, part);
    }
    const manifest = `${output}.mtree`;
    folder.finish(new Map(files ? [[MANIFEST, manifest]] : []));
    const partBytes = parts.reduce((sum, part) => sum + part.source.sizeBytes, 0);
    return {
      output,
      ...(files && { manifest }),
      files: files?.files ?? 0,
      directories: files?.directories ?? 0,
      symlinks: files?.symlinks ?? 0,
      parts: parts.map((part) => part.name),
      sizeBytes: partBytes + (files?.sizeBytes ?? 0),
      notMade: files?.notMade ?? [],
    };
  } catch (error) {
    throw explainFailure(explainDamage(error, imagePath), output);
  }
}

interface PartRequest {
  name: string;
  workspace: Workspace;
  partNames: readonly string[];
  isAll: boolean;
}

async function partsOf(source: ByteSource, request: PartRequest): Promise<Part[]> {
  const { name: imageFile, workspace, partNames, isAll } = request;
  if (partNames.length === 0 && !isAll) return [];
  if (isPe(source)) return sectionsOf(source, request);
  const image = await dissect(source, { name: imageFile, workspace, verify: false, keepContents: false });
  if (isAll) return (image.report.partitions ?? []).map((partition) => partOf(image, partition));
  return partNames.map((wanted) => {
    const name = wanted.startsWith(PARTITION_PREFIX) ? wanted.slice(PARTITION_PREFIX.length) : undefined;
    const partitions = image.report.partitions ?? [];
    const found = partitions.filter(({ partno, type, label }) => [String(partno), type, label].includes(name ?? ""));
    if (name === undefined || found.length !== 1) {
      const known = partitions.map(({ type, partno }) => `${PARTITION_PREFIX}${partno} (${type})`);
      throw noSuchPart(wanted, known.length > 0 ? `one of ${known.join(", ")}` : "a path that begins with a slash");
    }
    return partOf(image, found[0]!);
  });
}

type Partition = NonNullable<DissectedImage["report"]["partitions"]>[number];

function partOf(image: DissectedImage, { partno, type }: Partition): Part {
  return { name: `${partno}-${type}.raw`, source: image.partitions.get(partno)! };
}

/** Sections without the dot that would hide them; those of a profile, and those that are there again, with a number. */
function sectionsOf(source: ByteSource, { partNames, isAll }: PartRequest): Part[] {
  const taken = new Map<string, number>();
  const parts = readUki(source).listed.flatMap((sections, profile) =>
    sections.map(({ name, content }) => {
      const plain = profile === 0 ? name.slice(1) : `profile-${profile - 1}-${name.slice(1)}`;
      const count = (taken.get(plain) ?? 0) + 1;
      taken.set(plain, count);
      return { section: name, name: count === 1 ? plain : `${plain}-${count}`, source: content };
    }),
  );
  if (isAll) return parts;
  return partNames.flatMap((wanted) => {
    const found = parts.filter(({ section }) => section === wanted);
    const known = [...new Set(parts.map(({ section }) => section))].join(", ");
    if (found.length === 0) throw noSuchPart(wanted, `one of ${known}`);
    return found;
  });
}

function writePart(folder: string, { name, source }: Part): void {
  const descriptor = openSync(join(folder, name), "wx", 0o644);
  try {
    writeSparse(descriptor, borrowedChunksOf(source));
  } finally {
    closeSync(descriptor);
  }
}

interface FilesRequest {
  name: string;
  workspace: Workspace;
  paths: readonly string[];
  folder: FreshFolder;
}

type WrittenFiles = Pick<ExtractReport, "files" | "directories" | "symlinks" | "sizeBytes" | "notMade">;

async function writeFiles(source: ByteSource, request: FilesRequest): Promise<WrittenFiles> {
  const { name, workspace, paths, folder } = request;
  const { tree: found } = await openTree(source, { name, workspace, keepContents: true });
  const tree = paths.length === 0 ? found.tree : selectPaths(found.tree, paths);
  const unclamped = { mtimeClampSec: Infinity };
  const { files } = writeDirectory(tree, { output: folder.path, ...unclamped });
  writeFileSync(folder.beside(MANIFEST), [...encodeMtree(tree, unclamped)].join(""), { flag: "wx", mode: 0o644 });
  const kinds = [...tree.entries()].map(([, { kind }]) => kind);
  return {
    files: files.size,
    directories: kinds.filter((kind) => kind === "directory").length,
    symlinks: kinds.filter((kind) => kind === "symlink").length,
    sizeBytes: [...files.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    notMade: [...lossesOf(tree), ...found.leftOut.map((what) => ({ path: what, what: "socket" }))],
  };
}

/** Those paths, what is below them, and the directories above them. Symbolic links on the way are followed. */
function selectPaths(tree: FileTree, paths: readonly string[]): FileTree {
  const chosen = paths.map((path) => {
    const found = tree.resolveParent(path);
    if (found === undefined || !tree.has(found)) throw noSuchPart(path, "a path that `inspect --list` shows");
    return found;
  });
  const isWanted = (path: string): boolean => {
    const asPrefix = path === "/" ? "/" : `${path}/`;
    return chosen.some((own) => own === "/" || path === own || path.startsWith(`${own}/`) || own.startsWith(asPrefix));
  };
  const selected = new FileTree(ROOT_ATTRIBUTES);
  for (const [path, node] of tree.entries()) if (isWanted(path)) selected.set(path, node);
  return selected;
}

function noSuchPart(wanted: string, expected: string): CvmError<"no-such-part"> {
  return new CvmError("no-such-part", `cannot extract ${JSON.stringify(wanted)}: expected ${expected}`);
}

/** What a file system refuses for other reasons, such as names that it takes for one. */
function explainFailure(error: unknown, output: string): unknown {
  const explained = explainWriteFailure(error);
  if (explained instanceof CvmError || !(explained instanceof Error) || !("syscall" in explained)) return explained;
  const { code, path } = explained as NodeJS.ErrnoException;
  return new CvmError("output", `cannot write below "${output}": expected a place for "${path}", got ${code}`, {
    hint: "a folder on a file system that tells upper from lower case and takes long names has room for it",
    cause: error,
  });
}
