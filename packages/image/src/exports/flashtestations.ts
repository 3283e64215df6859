import { canonicalJson } from "@cvm-build/bytes";
import { combinations, digestOf, type SettledRegister } from "./combinations.ts";
import { exportError } from "./export-error.ts";
import type { EncodeExport, PinnedPlatform, TdxFields } from "./reference-values.ts";
import { tdxField } from "./tdx-fields.ts";

/** Google's TDs, all alike. */
const GOOGLE: TdxFields = { xfam: "e700060000000000", tdAttributes: "0000001000000000", mrConfigId: "00".repeat(48) };
/** What V1 XORs into XFAM: FPU and SSE, as bits of a big-endian number, although a report is little-endian. */
const V1_XFAM_XOR = 0x0000_0000_0000_0003n;
/** What V1 leaves out of the attributes: VE_DISABLED, PKS and KL, likewise. */
const V1_TD_ATTRIBUTES_MASK = 0x0000_0000_d000_0000n;
const U64 = 0xffff_ffff_ffff_ffffn;

/**
 * Writes workload ids for BlockBuilderPolicy: Keccak-256 over MRTD, RTMR0 to 3, MRCONFIGID, XFAM and TDATTRIBUTES, and the id
 * that the contract's first version makes of them.
 * @see flashbots/flashtestations, src/BlockBuilderPolicy.sol and src/V1BlockBuilderPolicy.sol, `workloadIdForTDRegistration`
 */
export const encodeFlashtestations: EncodeExport = async ({ measurements: { image }, platforms }, { tdx }) => {
  const { keccak_256: keccak256 } = await import("@noble/hashes/sha3.js");
  const id = (fields: readonly string[]) =>
    `0x${Buffer.from(keccak256(Buffer.from(fields.join(""), "hex"))).toString("hex")}`;
  const workloads = platforms.flatMap((platform) => {
    const fields = reportFields(platform, { ...platform.owner, ...tdx });
    return combinations(platform).map((registers) => {
      const measured = [...registerValues(platform.name, registers), fields.mrConfigId];
      return {
        platform: platform.name,
        workloadId: id([...measured, fields.xfam, fields.tdAttributes]),
        workloadIdV1: id([...measured, maskedXfam(fields.xfam), maskedAttributes(fields.tdAttributes)]),
        ...fields,
        registers: Object.fromEntries(registers.map(({ name, value }) => [name, digestOf(value)])),
      };
    });
  });
  const document = { image: { id: image.id, version: image.version }, workloads };
  return [{ fileName: `${image.id}.flashtestations.json`, bytes: Buffer.from(canonicalJson(document)) }];
};

function reportFields({ traits }: PinnedPlatform, given: TdxFields = {}) {
  const fields = traits.cloud === "gcp" ? { ...GOOGLE, ...given } : given;
  return {
    mrConfigId: tdxField({ mrConfigId: GOOGLE.mrConfigId ?? "", ...fields }, "mrConfigId"),
    xfam: tdxField(fields, "xfam"),
    tdAttributes: tdxField(fields, "tdAttributes"),
  };
}

/** All five registers: an id is of all or of none. */
function registerValues(platform: string, registers: readonly SettledRegister[]): string[] {
  return (["mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"] as const).map((wanted) => {
    const register = registers.find(({ name }) => name === wanted);
    if (register) return digestOf(register.value);
    throw exportError(`"${platform}" as flashtestations`, {
      expected: "values of MRTD and all four RTMRs",
      got: `none of ${wanted}`,
      hint: "a workload id is a hash over all of them: float none",
    });
  });
}

function maskedXfam(hex: string): string {
  return hexOf(BigInt(`0x${hex}`) ^ V1_XFAM_XOR);
}

function maskedAttributes(hex: string): string {
  return hexOf(BigInt(`0x${hex}`) & (U64 ^ V1_TD_ATTRIBUTES_MASK));
}

function hexOf(value: bigint): string {
  return value.toString(16).padStart(16, "0");
}
