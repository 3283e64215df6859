import type { HashAlgorithm } from "@cvm-build/bytes";
import { signPe } from "@cvm-build/uki";
import type { ImageSigners } from "./signing.ts";
import { assemblePlan, type UkiPlan } from "./uki-plan.ts";
import { checkUkiPolicies, signUkiPolicies } from "./uki-policies.ts";

/** Assembles a UKI, puts policies for it into it, and signs it. */
export async function assembleSigned(
  path: string,
  build: { plan: UkiPlan; signers: ImageSigners; banks: readonly HashAlgorithm[]; phases: string[]; threads: number },
): Promise<void> {
  const { plan, signers, ...measured } = build;
  assemblePlan(plan, { policies: [], output: path });
  if (signers.pcr.length > 0) {
    const policies = await signUkiPolicies(path, { ...measured, ...plan, signers: signers.pcr });
    assemblePlan(plan, { policies: policies.map((signed) => signed?.json), output: path });
    await checkUkiPolicies(path, { ...measured, policies });
  }
  if (signers.secureBoot) await signPe({ image: path, output: path, ...signers.secureBoot });
}
