import { createHash } from "node:crypto";
import { CvmError, type HashAlgorithm } from "@cvm-build/bytes";
import type { Signer } from "@cvm-build/uki";
import type { Prediction } from "./prediction.ts";

/** The hash algorithms' identifiers. @see TPM 2.0 Library, Part 2, "TPM_ALG_ID" */
const TPM_ALG: Record<HashAlgorithm, number> = { sha1: 0x4, sha256: 0xb, sha384: 0xc, sha512: 0xd };
const TPM2_CC_POLICY_PCR = 0x17f;
const PCR = 11;

/** One signed policy. The keys' order is systemd's. */
interface SignedPolicy {
  pcrs: [typeof PCR];
  /** SHA-256 of the public key as PKCS#1 has it, hex. */
  pkfp: string;
  /** The policy's digest, hex. */
  pol: string;
  /** RSASSA-PKCS1-v1_5 over the policy's digest, base64. */
  sig: string;
}

/** Which policies are signed, and by whom. */
export interface PolicySigning {
  /** Each signs every policy. RSA keys: what a TPM verifies. */
  signers: readonly Signer[];
  /** Phase paths, such as `enter-initrd:leave-initrd`; `""` is before any phase. */
  phasePaths: readonly string[];
}

/**
 * Signs policies that are fulfilled while PCR 11 has a predicted value: what goes into `.pcrsig`, byte for byte what
 * `systemd-measure sign` prints. The signature is made with SHA-256 for every bank, as systemd verifies it.
 * @param phases PCR 11 after each phase path, by bank: `Prediction.phases`
 * @returns JSON, one policy for each signer, path and bank
 * @throws CvmError `pcr-policy` for a key that is not RSA, or a phase path that the boot does not reach
 * @see systemd-measure(1), "sign"; systemd, src/measure/measure-tool.c
 */
export async function signPcrPolicies(phases: Prediction["phases"], signing: PolicySigning): Promise<string> {
  const signed: Partial<Record<HashAlgorithm, SignedPolicy[]>> = {};
  for (const signer of signing.signers) {
    checkPolicySigner(signer);
    const pkfp = keyFingerprint(signer);
    for (const path of signing.phasePaths) {
      for (const [bank, values] of Object.entries(phases) as [HashAlgorithm, Record<string, string>][]) {
        const value = values[path];
        if (value === undefined) throw unreachedPath(path, Object.keys(values));
        const pol = pcrPolicyDigest(bank, value);
        const sig = await signer.sign(pol, "sha256");
        (signed[bank] ??= []).push({ pcrs: [PCR], pkfp, pol: pol.toString("hex"), sig: sig.toString("base64") });
      }
    }
  }
  return `${JSON.stringify(signed)}\n`;
}

/**
 * Digest of the policy "PCR 11 of this bank has this value". The policy's own hash is SHA-256 for every bank.
 * @param value hex
 * @see TPM 2.0 Library, Part 3, "TPM2_PolicyPCR"
 */
export function pcrPolicyDigest(bank: HashAlgorithm, value: string): Buffer {
  const command = Buffer.alloc(4);
  command.writeUInt32BE(TPM2_CC_POLICY_PCR);
  // TPML_PCR_SELECTION: one selection, of three bytes of bits.
  const selection = Buffer.from([0, 0, 0, 1, 0, TPM_ALG[bank], 3, 0, 1 << (PCR - 8), 0]);
  const values = createHash("sha256").update(Buffer.from(value, "hex")).digest();
  return createHash("sha256").update(Buffer.alloc(32)).update(command).update(selection).update(values).digest();
}

/**
 * Checks that a signer can sign policies, before anything is built for it.
 * @throws CvmError `pcr-policy`
 */
export function checkPolicySigner({ publicKey }: Signer): void {
  if (publicKey.asymmetricKeyType === "rsa") return;
  throw new CvmError(
    "pcr-policy",
    `cannot sign PCR policies: expected an RSA key, got ${publicKey.asymmetricKeyType ?? "none"}`,
    { hint: "systemd has TPMs verify RSA signatures alone: use a key of 2048 bits" },
  );
}

function keyFingerprint({ publicKey }: Signer): string {
  return createHash("sha256")
    .update(publicKey.export({ type: "pkcs1", format: "der" }))
    .digest("hex");
}

function unreachedPath(path: string, reached: readonly string[]): CvmError {
  const paths = reached.map((known) => JSON.stringify(known)).join(", ");
  return new CvmError("pcr-policy", `cannot sign phase path "${path}": expected one that the boot reaches`, {
    hint: `this boot passes through ${paths}`,
  });
}
