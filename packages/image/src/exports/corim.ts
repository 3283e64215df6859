import { HASH_ALGORITHMS } from "@cvm-build/bytes";
import { pcrOf } from "@cvm-build/measure";
import { combinations, type SettledRegister } from "./combinations.ts";
import { type CorimDigest, encodeCorimDocument, isCorimBank } from "./corim-document.ts";
import type { EncodeExport } from "./reference-values.ts";
import { exportError } from "./export-error.ts";

/**
 * Writes an unsigned CoRIM with integrity registers, one reference triple a platform and choice of legal values: two digests
 * of one algorithm in one list would contradict each other.
 * @see draft-ietf-rats-corim, "Integrity Registers" and their comparison
 */
export const encodeCorim: EncodeExport = async ({ measurements: { image }, platforms }, request) => {
  const triples = platforms.flatMap((platform) =>
    combinations(platform).map((registers) => ({
      className: `urn:cvm-build:platform:${platform.name}`,
      model: image.id,
      measurements: [{ integrityRegisters: new Map(registers.map(integrityRegister)) }],
    })),
  );
  return [{ fileName: `${image.id}.corim.cbor`, bytes: await encodeCorimDocument(image, triples, request) }];
};

/** PCRs by index, and what has no index by name, so that both can stand in one map. */
function integrityRegister({ name, value }: SettledRegister): [number | string, CorimDigest[]] {
  const digests = HASH_ALGORITHMS.filter(isCorimBank).flatMap((bank) => {
    const { [bank]: hex } = value;
    return hex === undefined ? [] : [{ bank, hex }];
  });
  if (digests.length === 0) {
    throw exportError(`${name} as corim`, {
      expected: "a value in bank sha256, sha384 or sha512",
      got: `one in ${Object.keys(value).join(", ")}`,
      hint: "measure another bank: CoRIM has no name for SHA-1",
    });
  }
  return [pcrOf(name) ?? name, digests];
}
