import type { ByteSource } from "@cvm-build/bytes";
import { compareVerity } from "./companions.ts";
import type { InspectedPartition, InspectedProgram, VerityFacts } from "./dissection.ts";
import { hashBlock } from "./formats/verity.ts";
import { type Designator, partitionOf, type RootHashes } from "./mounts.ts";

/** What protects what, and on which command line its root hash is. */
const PROTECTED = [
  { data: "root", hash: "root-verity", signature: "root-verity-sig", argument: "roothash" },
  { data: "usr", hash: "usr-verity", signature: "usr-verity-sig", argument: "usrhash" },
] as const satisfies readonly { data: Designator; hash: Designator; signature: Designator; argument: string }[];

/**
 * Compares what partitions say of each other: the root hash with the UUIDs that are made of it, with the signature and
 * with command lines of UKIs; the data with the hash tree where that is asked for, which the partition then says.
 * @returns what does not agree, in words
 */
export function verifyPartitions(
  partitions: readonly InspectedPartition[],
  sources: ReadonlyMap<number, ByteSource>,
  options: { verify: boolean; programs: readonly InspectedProgram[]; rootHashes: RootHashes },
): string[] {
  const { verify, programs, rootHashes } = options;
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
    const signature = partitionOf(partitions, signatureName)?.contents.signature;
    if (signature && signature.rootHash !== digits) problems.push(`${signatureName} is of another root hash`);
    if (signature?.problem !== undefined) problems.push(`${signatureName} is no signature: ${signature.problem}`);
    const stated = rootHashes[dataName];
    if (stated !== undefined && stated !== digits)
      problems.push(`the ${argument} beside the disk is another root hash`);
    for (const { path, commandLine } of programs) {
      const value = new RegExp(`(?:^|\\s)${argument}=(\\S+)`).exec(commandLine ?? "")?.[1];
      if (value !== undefined && value !== digits) problems.push(`${argument}= of ${path} is another root hash`);
    }
    if (verify) {
      verity.verification = compareVerity({ data: dataSource, hash: sources.get(hash.partno)! }, digits);
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
