import type { KeyID } from "openpgp";
import { reasonOf, StoreError } from "../errors.ts";
import type { TrustedKey } from "./keyrings.ts";

/** What a signature is checked against. */
export interface ClearSignatureCheck {
  trusted: readonly TrustedKey[];
  name: string;
  date: Date;
  allowExpiredKeys: boolean;
}

/** A text and who signed it. */
export interface VerifiedText {
  /** What the signatures cover, and nothing around it. */
  text: string;
  /** Fingerprints of the certificates with a good signature, upper-case hex, sorted. */
  signedBy: string[];
}

/**
 * Verifies a clear-signed text: at least one good signature by a trusted key. Further signatures by unknown keys do not
 * matter (an archive signs with the keys of several releases).
 * @param message the armoured message
 * @param options.trusted whose signatures count
 * @param options.name what is signed, for messages
 * @param options.date when the signature must be valid: signatures from later, and expired ones, are not good; nor are
 * those of keys that have expired by then, whatever time they claim to be from
 * @param options.allowExpiredKeys takes signatures from before their key expired, as timestamped archives hold them
 * @throws StoreError `signature`
 * @see RFC 9580, 7: Cleartext Signature Framework
 */
export async function verifyClearSigned(
  message: string,
  { trusted, name, date, allowExpiredKeys }: ClearSignatureCheck,
): Promise<VerifiedText> {
  const { readCleartextMessage, verify } = await import("openpgp");
  let result: Awaited<ReturnType<typeof verify>>;
  try {
    result = await verify({
      message: await readCleartextMessage({ cleartextMessage: message }),
      verificationKeys: trusted.map(({ key }) => key),
      date,
    });
  } catch (error) {
    throw new StoreError(
      "signature",
      `cannot verify "${name}": expected a clear-signed text, got ${firstLine(reasonOf(error))}`,
      { hint: "something on the way, such as a proxy's login page, may have answered in its place", cause: error },
    );
  }
  const good = new Set<string>();
  const bad: string[] = [];
  for (const { keyID, verified } of result.signatures) {
    try {
      await verified;
      const owner = trusted.find(({ key }) => key.getKeys(keyID).length > 0);
      if (owner === undefined) continue;
      if (!allowExpiredKeys && (await expiryOf(owner, keyID)) < date.getTime()) throw new Error("the key has expired");
      good.add(owner.key.getFingerprint().toUpperCase());
    } catch (error) {
      bad.push(`${keyID.toHex().toUpperCase()} (${firstLine(reasonOf(error))})`);
    }
  }
  if (good.size > 0) return { text: result.data as string, signedBy: [...good].sort() };
  const got = bad.length === 0 ? "no signature" : `signatures by ${bad.join(", ")}`;
  throw new StoreError("signature", `cannot verify "${name}": expected a good signature by a trusted key, got ${got}`, {
    hint: "if the archive has a new key, add it under configs/keyrings; otherwise use another mirror",
    details: { signatures: bad, trusted: trusted.map(({ key }) => key.getFingerprint().toUpperCase()) },
  });
}

/** When a signing key, or the certificate that it belongs to, expires: milliseconds since 1970, or infinity. */
async function expiryOf({ key }: TrustedKey, keyID: KeyID): Promise<number> {
  const ends = [await key.getExpirationTime()];
  for (const subkey of key.getSubkeys(keyID)) ends.push(await subkey.getExpirationTime());
  return Math.min(...ends.map((end) => (end === null ? Number.NEGATIVE_INFINITY : Number(end))));
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? text;
}
