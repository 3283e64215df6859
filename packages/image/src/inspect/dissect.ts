import { type ByteSource, FormatError, sliceSource } from "@cvm-build/bytes";
import { FileTree, isGpt, readGpt } from "@cvm-build/fs-writer";
import { rootHashesBeside, verityBeside } from "./companions.ts";
import type { Dissection, InspectedPartition, PartContents } from "./dissection.ts";
import type { ImageFormat } from "./formats/format.ts";
import { recognise, UNKNOWN_FORMAT } from "./formats/table.ts";
import { mountsOf, nakedMount, partitionOf } from "./mounts.ts";
import { openImage } from "./open-image.ts";
import { type FoundSystem, inspectSystem, valueOf } from "./operating-system.ts";
import { programsOf } from "./programs.ts";
import { type FoundTree, ROOT_ATTRIBUTES } from "./trees/found-tree.ts";
import { mountTrees } from "./trees/mount-trees.ts";
import { verifyPartitions } from "./verify-partitions.ts";
import type { Workspace } from "./workspace.ts";

/** An image that was looked at, and what can be looked at further. */
export interface DissectedImage {
  report: Dissection;
  /** The image without what it was packed in. */
  source: ByteSource;
  /** Partitions' bytes by number. */
  partitions: ReadonlyMap<number, ByteSource>;
  /** All that a booted system would see of it in one tree; undefined where there is no file system that is read. */
  tree: FoundTree | undefined;
}

/** How an image is looked at. */
export interface DissectOptions {
  /** The file's name, without folders. */
  name: string;
  /** Where the file is, with what may lie beside it. */
  folder?: string;
  /** Whether data are compared with their hash trees. */
  verify: boolean;
  /** Whether contents will be asked for: those that cannot be read by position are then kept. */
  keepContents: boolean;
  /** Once the partitions so far have this many files, those of further ones are not looked at; a million unless given. */
  maxFiles?: number;
}

const DEFAULT_MAX_FILES = 2 ** 20;
const SECTOR_BYTES = 512;

/**
 * Says what is in an image that is no PE file, as systemd-dissect does.
 * @throws FormatError where its outermost layer is damaged; what is damaged in a partition is said of that partition
 */
export async function dissect(
  image: ByteSource,
  options: DissectOptions & { workspace: Workspace },
): Promise<DissectedImage> {
  const { source, layers } = await openImage(image, options.workspace);
  const base = { name: options.name, sizeBytes: source.sizeBytes, layers };
  const imageName = options.name.replace(/\.raw$/, "");
  const named = imageName === options.name ? {} : { imageName };
  const contentsFor = options.keepContents ? options.workspace : undefined;
  if (isGpt(source)) return dissectDisk(source, { base: { ...base, ...named }, imageName, options, contentsFor });

  const format = recognise(source);
  const contents = await describeContents(source, { format, workspace: contentsFor, hasRoom: true });
  const problems: string[] = [];
  const system = contents.found && readSystem(contents.found, { imageName, hasEsp: false, problems });
  const isMounted = format?.fstype !== undefined && contents.found !== undefined;
  const { folder, verify } = options;
  const beside = isMounted && folder !== undefined ? verityBeside(source, { folder, imageName, verify }) : undefined;
  if (beside) contents.contents.verity = beside.verity;
  const report: Dissection = {
    ...base,
    ...(isMounted && named),
    format: contents.contents.format,
    ...(isMounted && {
      sectorSize: SECTOR_BYTES,
      mounts: [nakedMount(format.fstype, { hasVerity: beside !== undefined })],
    }),
    ...(isMounted && isUuid(contents.contents.uuid) && { imageUuid: contents.contents.uuid }),
    ...systemReport(system),
    contents: contents.contents,
    problems: [
      ...problems,
      ...(system?.problems ?? []),
      ...(beside?.problems ?? []),
      ...(contents.found?.leftOut ?? []).map((what) => `left out: ${what}`),
    ],
  };
  return { report, source, partitions: new Map(), tree: contents.found };
}

interface DiskRequest {
  base: Pick<Dissection, "name" | "sizeBytes" | "layers" | "imageName">;
  imageName: string;
  options: DissectOptions;
  contentsFor: Workspace | undefined;
}

async function dissectDisk(source: ByteSource, request: DiskRequest): Promise<DissectedImage> {
  const gpt = readGpt(source);
  const sources = new Map<number, ByteSource>();
  const architectures = new Map<number, string>();
  const trees = new Map<number, FoundTree>();
  const partitions: InspectedPartition[] = [];
  // Partitions that are one and the same, or hold little, can show any number of files each.
  let leftFiles = request.options.maxFiles ?? DEFAULT_MAX_FILES;
  for (const found of gpt.partitions) {
    const { uuid, label, offsetBytes, sizeBytes, flags, typeUuid, type, architecture } = found;
    const partno = found.index + 1;
    const part = sliceSource(source, offsetBytes, sizeBytes);
    const { contents, found: tree } = await describeContents(part, {
      format: recognise(part),
      workspace: request.contentsFor,
      hasRoom: leftFiles > 0,
    });
    leftFiles -= tree?.tree.size ?? 0;
    sources.set(partno, part);
    if (architecture) architectures.set(partno, architecture);
    if (tree) trees.set(partno, tree);
    partitions.push({ partno, type: type ?? typeUuid, typeUuid, uuid, label, offsetBytes, sizeBytes, flags, contents });
  }
  const mounted = mountTrees(partitions, trees);
  const hasEsp = partitionOf(partitions, "esp") !== undefined;
  const problems = [...gpt.problems];
  const system = mounted && readSystem(mounted, { imageName: request.imageName, hasEsp, problems });
  const programs = partitions
    .filter(({ type }) => type === "esp" || type === "xbootldr")
    .flatMap(({ partno }) => [...(trees.has(partno) ? programsOf(trees.get(partno)!) : [])]);
  const { folder, verify } = request.options;
  const rootHashes = folder === undefined ? {} : rootHashesBeside({ folder, imageName: request.imageName });
  const verification = verifyPartitions(partitions, sources, { verify, programs, rootHashes });
  const mainPartition = partitionOf(partitions, "root") ?? partitionOf(partitions, "usr");
  const architecture = mainPartition && architectures.get(mainPartition.partno);
  const report: Dissection = {
    ...request.base,
    format: "gpt",
    sectorSize: gpt.sectorBytes,
    imageUuid: gpt.diskUuid,
    ...systemReport(system),
    ...(architecture !== undefined && { architecture }),
    mounts: mountsOf(partitions, { architectures, rootHashes }),
    partitions,
    programs,
    problems: [...problems, ...(system?.problems ?? []), ...verification],
  };
  return { report, source, partitions: sources, tree: mounted };
}

/** What a tree says of its system; undefined, and a problem, where its files cannot be read. */
function readSystem(
  { tree }: FoundTree,
  { problems, ...options }: { imageName: string; hasEsp: boolean; problems: string[] },
): FoundSystem | undefined {
  try {
    return inspectSystem(tree, options);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    problems.push(`files of the system are damaged: ${error.message}`);
    return undefined;
  }
}

async function describeContents(
  source: ByteSource,
  options: { format: ImageFormat | undefined; workspace: Workspace | undefined; hasRoom: boolean },
): Promise<{ contents: PartContents; found: FoundTree | undefined }> {
  const { format, workspace, hasRoom } = options;
  if (!format) return { contents: { format: UNKNOWN_FORMAT, facts: {} }, found: undefined };
  const name = { format: format.name, ...(format.fstype !== undefined && { fstype: format.fstype }) };
  let contents: PartContents = { ...name, facts: {} };
  try {
    contents = { ...name, ...format.describe(source) };
    if (format.tree && !hasRoom) throw new FormatError({ record: "image" }, "expected fewer files in all partitions");
    const found = await format.tree?.(source, workspace);
    if (found) contents.facts["entries"] = found.tree.size - 1;
    return { contents, found };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { contents: { ...contents, problem: error.message }, found: undefined };
  }
}

/** What of a system goes into a report. */
export function systemReport(system: FoundSystem | undefined): Partial<Dissection> {
  const found = system ?? inspectSystem(new FileTree(ROOT_ATTRIBUTES), { imageName: "", hasEsp: false });
  const imageId = valueOf(found.osRelease, "IMAGE_ID");
  const imageVersion = valueOf(found.osRelease, "IMAGE_VERSION");
  return {
    ...found.facts,
    ...(found.architecture !== undefined && { architecture: found.architecture }),
    ...(imageId !== undefined && { imageId }),
    ...(imageVersion !== undefined && { imageVersion }),
    ...(system && found.uses),
  };
}

function isUuid(text: string | undefined): boolean {
  return text !== undefined && text.length === 36;
}
