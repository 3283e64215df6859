import { isDeepStrictEqual } from "node:util";
import { CvmError, type HashAlgorithm, openFileSource } from "@cvm-build/bytes";
import { phasePaths, predictUkiPhases, type Prediction, signPcrPolicies } from "@cvm-build/measure";
import type { Signer } from "@cvm-build/uki";

/** Policies that were signed for one way to boot a UKI. */
export interface SignedPolicies {
  /** What goes into `.pcrsig`. */
  json: string;
  /** The values of PCR 11 that they are for. */
  values: Prediction["phases"];
}

/** How the PCR 11 of a UKI is computed, and who signs. */
interface PolicyRequest {
  signers: readonly Signer[];
  banks: readonly HashAlgorithm[];
  phases: readonly string[];
  threads: number;
}

/**
 * Signs policies for the values of PCR 11 that an image without them has, which they do not change.
 * @param hasPolicies for each of the UKI's profiles, or for the one way to boot it
 */
export async function signUkiPolicies(
  path: string,
  { hasPolicies, ...request }: PolicyRequest & { hasPolicies: readonly boolean[] },
): Promise<(SignedPolicies | undefined)[]> {
  using image = openFileSource(path);
  const all: (SignedPolicies | undefined)[] = [];
  for (const [profile, isWanted] of hasPolicies.entries()) {
    const values = isWanted ? await predictUkiPhases(image, { ...request, profile }) : undefined;
    const phases = phasePaths(request.phases);
    all.push(
      values && { values, json: await signPcrPolicies(values, { signers: request.signers, phasePaths: phases }) },
    );
  }
  return all;
}

/**
 * Measures the finished image once more: what its policies were signed for must be what it measures.
 * @throws CvmError `pcr-policy`
 */
export async function checkUkiPolicies(
  path: string,
  { policies, ...request }: Omit<PolicyRequest, "signers"> & { policies: readonly (SignedPolicies | undefined)[] },
): Promise<void> {
  using image = openFileSource(path);
  for (const [profile, signed] of policies.entries()) {
    if (!signed) continue;
    if (isDeepStrictEqual(signed.values, await predictUkiPhases(image, { ...request, profile }))) continue;
    throw new CvmError(
      "pcr-policy",
      `cannot use "${path}": expected PCR 11 as the policies in it were signed for, got other values`,
    );
  }
}
