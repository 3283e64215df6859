import { type ByteSource, FormatError } from "@cvm-build/bytes";
import { LazyContent, verifyVerity } from "@cvm-build/fs-writer";
import { readUki } from "@cvm-build/uki";
import type { InspectedPartition, VerityFacts } from "./dissection.ts";
import { hashBlock } from "./formats/verity.ts";
import { type Designator, partitionOf } from "./mounts.ts";
import type { FoundTree } from "./trees/found-tree.ts";

/** What protects what, and on which command line its root hash is. */
const PROTECTED = [
  { data: "root", hash: "root-verity", signature: "root-verity-sig", argument: "roothash" },
  { data: "usr", hash: "usr-verity", signature: "usr-verity-sig", argument: "usrhash" },
] as const satisfies readonly { data: Designator; hash: Designator; signature: Designator; argument: string }[];

const MAX_COMMAND_LINE_BYTES = 1 << 16;

/**
 * Compares what partitions say of each other: the root hash with the UUIDs that are made of it, with the signature and
 * with command lines of UKIs; the data with the hash tree where that is asked for, which the partition then says.
 * @returns what does not agree, in words
 */
export function verifyPartitions(
  partitions: readonly InspectedPartition[],
  sources: ReadonlyMap<number, ByteSource>,
  { verify, trees }: { verify: boolean; trees: ReadonlyMap<number, FoundTree> },
): string[] {
  return PROTECTED.flatMap(({ data: dataName, hash: hashName, signature: signatureName, argument }) => {
    const data = partitionOf(partitions, dataName);
    const hash = partitionOf(partitions, hashName);
    const verity = hash?.contents.verity;
    if (!data || !hash || !verity) return [];
    const problems: string[] = [];
    const dataSource = sources.get(data.partno)!;
    const digits = (verity.rootHash ??= hashOnlyBlock(dataSource, verity));
    const isNamed = uuidDigits(data) === digits.slice(0, 32) && uuidDigits(hash) === digits.slice(-32);
    if (!isNamed) problems.push(`UUIDs of ${dataName} and ${hashName} are not made of the root hash`);
    const signed = partitionOf(partitions, signatureName)?.contents.signature?.rootHash;
    if (signed !== undefined && signed !== digits) problems.push(`${signatureName} is of another root hash`);
    for (const { path, value } of commandLineHashes(trees, argument)) {
      if (value !== digits) problems.push(`${argument}= of ${path} is another root hash`);
    }
    if (verify) {
      verity.verification = compare({ data: dataSource, hash: sources.get(hash.partno)! }, digits);
      if (verity.verification !== "verified") problems.push(`${dataName} is damaged: ${verity.verification}`);
    }
    return problems;
  });
}

function uuidDigits({ uuid }: InspectedPartition): string {
  return uuid.replaceAll("-", "");
}

/** The root hash where there is nothing to make a tree of. */
function hashOnlyBlock(data: ByteSource, verity: VerityFacts): string {
  const block = data.read(0, Math.min(verity.dataBlockBytes, data.sizeBytes));
  return hashBlock(block, { ...verity, salt: Buffer.from(verity.salt, "hex") });
}

function compare(devices: { data: ByteSource; hash: ByteSource }, rootHash: string): string {
  try {
    verifyVerity(devices, { rootHash });
    return "verified";
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return error.message;
  }
}

/** What UKIs on any of the file systems have for an argument. */
function* commandLineHashes(
  trees: ReadonlyMap<number, FoundTree>,
  argument: string,
): Generator<{ path: string; value: string }> {
  for (const { tree } of trees.values()) {
    for (const [path, node] of tree.entries("/EFI")) {
      if (node.kind !== "file" || !/\.efi$/i.test(path) || !(node.content instanceof LazyContent)) continue;
      const commandLine = node.content.source && commandLineOf(node.content.source);
      const value = new RegExp(`(?:^|\\s)${argument}=(\\S+)`).exec(commandLine ?? "")?.[1];
      if (value !== undefined) yield { path, value };
    }
  }
}

function commandLineOf(source: ByteSource): string | undefined {
  try {
    const content = readUki(source).base.get(".cmdline")?.content;
    if (!content || content.sizeBytes > MAX_COMMAND_LINE_BYTES) return undefined;
    return content.read(0, content.sizeBytes).toString("utf8").replace(/\0+$/, "");
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
