import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type { Signer } from "@cvm-build/uki";
import { describe, expect, it } from "vitest";
import { signPcrPolicies } from "./pcr-policy.ts";

const PHASES = { sha256: { "": "00".repeat(32), sysinit: "11".repeat(32) } };

function signerOf(publicKey: KeyObject): Signer {
  return { publicKey, sign: async () => Buffer.from("signed"), [Symbol.asyncDispose]: async () => {} };
}

const rsa = signerOf(generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey);
const other = signerOf(generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey);
const ec = signerOf(generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey);

// What is signed is compared with systemd-measure in test/measure/pcr-policy.test.ts.
describe("signPcrPolicies", () => {
  it("has every signer sign every path", async () => {
    const json = await signPcrPolicies(PHASES, { signers: [rsa, other], phasePaths: ["", "sysinit"] });
    const { sha256 } = JSON.parse(json) as { sha256: { pkfp: string; pol: string }[] };
    expect(new Set(sha256.map(({ pkfp }) => pkfp)).size).toBe(2);
    expect(new Set(sha256.map(({ pol }) => pol)).size).toBe(2);
    expect(sha256).toHaveLength(4);
  });

  it.each([
    [
      "a key that is not RSA",
      { signers: [ec], phasePaths: [""] },
      "cannot sign PCR policies: expected an RSA key, got ec",
    ],
    [
      "a phase path that the boot does not reach",
      { signers: [rsa], phasePaths: ["sysinit:ready"] },
      'cannot sign phase path "sysinit:ready": expected one that the boot reaches',
    ],
  ])("refuses %s", async (_, signing, message) => {
    await expect(signPcrPolicies(PHASES, signing)).rejects.toMatchObject({ code: "pcr-policy", message });
  });
});
