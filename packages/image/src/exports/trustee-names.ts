import type { RegisterName } from "@cvm-build/measure";
import { digestOf, indexOf } from "./combinations.ts";
import type { PinnedPlatform } from "./reference-values.ts";

/**
 * Reference values by the names under which Trustee's default policy for CPUs asks for them, each with all legal values of
 * all platforms: Trustee keeps a list a name, and a second list of the same name replaces the first.
 * @see confidential-containers/trustee, attestation-service/src/ear_token/ear_default_policy_cpu.rego
 */
export function trusteeValues(platforms: readonly PinnedPlatform[]): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (const platform of platforms) {
    for (const register of platform.registers) {
      const name = trusteeName(register.name, platform);
      const known = values.get(name) ?? [];
      values.set(name, [...new Set([...known, ...register.values.map(digestOf)])]);
    }
  }
  return values;
}

function trusteeName(name: RegisterName, { traits }: PinnedPlatform): string {
  if (name === "mrtd") return "mr_td";
  if (name === "launchDigest") return "snp_launch_measurement";
  if (name.startsWith("rtmr")) return `rtmr_${indexOf(name)}`;
  const kind = traits.cloud === "azure" && traits.tee !== undefined ? traits.tee : "tpm";
  return `${kind}_pcr${String(indexOf(name)).padStart(2, "0")}`;
}
