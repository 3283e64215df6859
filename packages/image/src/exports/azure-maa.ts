import type { RegisterName } from "@cvm-build/measure";
import { combinations, digestOf } from "./combinations.ts";
import type { EncodeExport, PinnedPlatform } from "./reference-values.ts";

/**
 * Writes an attestation policy for each kind of TEE, for the service has one a kind: a rule a platform and choice of legal
 * values, any of which permits. Nothing else does.
 * @see Azure Attestation, "Attestation policy version 1.2", "EAT profile for TDX", "Claim sets"
 */
export const encodeAzureMaa: EncodeExport = ({ measurements: { image }, platforms }) =>
  (["tdx", "snp"] as const).flatMap((tee) => {
    const rules = new Set(platforms.filter(({ traits }) => traits.tee === tee).flatMap(authorizationRules));
    if (rules.size === 0) return [];
    const text = [
      "version=1.2;",
      "configurationrules",
      "{",
      "};",
      "authorizationrules",
      "{",
      ...rules,
      "};",
      "issuancerules",
      "{",
      "};",
    ].join("\n");
    return [{ fileName: `${image.id}.${tee}.maa-policy.txt`, bytes: Buffer.from(`${text}\n`) }];
  });

function authorizationRules(platform: PinnedPlatform): string[] {
  const isTdx = platform.traits.tee === "tdx";
  const kind = [
    condition("x-ms-attestation-type", isTdx ? '"tdxvm"' : '"sevsnpvm"'),
    condition(isTdx ? "tdx_td_attributes_debug" : "x-ms-sevsnpvm-is-debuggable", "false"),
  ];
  return combinations(platform).map((registers) => {
    const pinned = registers.map(({ name, value }) => condition(claimOf(name), `"${digestOf(value)}"`));
    return `    ${[...kind, ...pinned].join("\n    && ")}\n    => permit();`;
  });
}

function condition(claim: string, value: string): string {
  return `[type=="${claim}", value==${value}]`;
}

function claimOf(name: RegisterName): string {
  return name === "launchDigest" ? "x-ms-sevsnpvm-launchmeasurement" : `tdx_${name}`;
}
