import { createHash } from "node:crypto";
import { FormatError } from "@cvm-build/bytes";
import { isVerity, readVerity, readVeritySignature, type Verity } from "@cvm-build/fs-writer";
import { oneLineName, readSignedData, verifySignedData } from "@cvm-build/uki";
import type { SignatureFacts, VerityFacts } from "../dissection.ts";
import type { ImageFormat } from "./format.ts";

/** A hash device of dm-verity with a superblock. */
export const VERITY: ImageFormat = {
  name: "verity",
  fstype: "DM_verity_hash",
  matches: isVerity,
  describe(source) {
    const { hashOffsetBytes, salt, ...verity } = readVerity(source);
    const facts: VerityFacts = { ...verity, salt: salt.toString("hex") };
    if (verity.dataBlocks === 1) return { uuid: verity.uuid, facts: {}, verity: facts };
    const rootHash = hashBlock(source.read(hashOffsetBytes, verity.hashBlockBytes), { ...verity, salt });
    return { uuid: verity.uuid, facts: {}, verity: { rootHash, ...facts } };
  },
};

/** The digest that a hash tree has for a block, or as a root hash for its uppermost. */
export function hashBlock(
  block: Buffer,
  { algorithm, salt, formatVersion }: Pick<Verity, "algorithm" | "salt" | "formatVersion">,
): string {
  const hash = createHash(algorithm);
  for (const part of formatVersion === 1 ? [salt, block] : [block, salt]) hash.update(part);
  return hash.digest("hex");
}

const MAX_SIGNATURE_BYTES = 4 << 20;
const BRACE = 0x7b;

/** A partition with the signature of a root hash. */
export const VERITY_SIGNATURE: ImageFormat = {
  name: "verity-signature",
  fstype: "verity_hash_signature",
  matches(source) {
    if (source.sizeBytes === 0 || source.sizeBytes > MAX_SIGNATURE_BYTES || source.read(0, 1)[0] !== BRACE)
      return false;
    try {
      readVeritySignature(source.read(0, source.sizeBytes));
      return true;
    } catch (error) {
      if (error instanceof FormatError) return false;
      throw error;
    }
  },
  describe(source) {
    const { rootHash, certificateFingerprint, signature } = readVeritySignature(source.read(0, source.sizeBytes));
    return { facts: {}, signature: { rootHash, certificateFingerprint, ...describeSigner(signature, rootHash) } };
  },
};

/** `SEQUENCE` and, soon after, the object identifier of signed data. */
const SEQUENCE = 0x30;
const SIGNED_DATA = Buffer.from("06092a864886f70d010702", "hex");
const MAX_START_BYTES = 24;

/** A signature of something that is elsewhere, such as the `.p7s` of a root hash. */
export const DETACHED_SIGNATURE: ImageFormat = {
  name: "detached-signature",
  matches(source) {
    const start = source.read(0, Math.min(MAX_START_BYTES, source.sizeBytes));
    return start[0] === SEQUENCE && start.includes(SIGNED_DATA) && source.sizeBytes <= MAX_SIGNATURE_BYTES;
  },
  describe: (source) => ({ facts: {}, signature: describeSigner(source.read(0, source.sizeBytes)) }),
};

/** Who has signed, and whether it is right for a root hash where one is given. Whom to trust is not asked here. */
function describeSigner(signature: Buffer, rootHash?: string): Pick<SignatureFacts, "signer" | "problem"> {
  try {
    const content = Buffer.from(rootHash ?? "", "latin1");
    const [signer] = verifySignedData(readSignedData(signature), { trusted: [], content });
    if (!signer) return { problem: "expected a signer, got none" };
    const { certificate, key, hash } = signer;
    const problem = rootHash === undefined ? undefined : signer.problem;
    const shown = [certificate && oneLineName(certificate.subject), key, hash].filter((part) => part !== undefined);
    return { signer: shown.join(", "), ...(problem !== undefined && { problem }) };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { problem: error.message };
  }
}
