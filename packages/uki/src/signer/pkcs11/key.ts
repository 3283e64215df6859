import type { KeyObject } from "node:crypto";
import { ukiError } from "../../error.ts";
import type { ExternalKey, SignRequest } from "../external.ts";
import { keyKind } from "../key-kind.ts";
import type { SignerOptions } from "../options.ts";
import { CKA, CKF, CKM, CKR, CKU } from "./cryptoki.ts";
import type { MechanismInfo } from "./layout.ts";
import { findPrivateKey, readAttribute } from "./object.ts";
import { readPublicKey } from "./public-key.ts";
import { TokenSession } from "./session.ts";
import { parsePkcs11Uri } from "./uri.ts";

/** The longest signature, of RSA with 4096 bits, and something over. */
const MOST_SIGNATURE_BYTES = 1024;

/**
 * What stands before a digest in an RSA signature: `DigestInfo` up to its contents.
 * @see RFC 8017 section 9.2, note 1
 */
const DIGEST_INFO = {
  sha256: Buffer.from("3031300d060960864801650304020105000420", "hex"),
  sha384: Buffer.from("3041300d060960864801650304020205000430", "hex"),
  sha512: Buffer.from("3051300d060960864801650304020305000440", "hex"),
};

/**
 * Opens a private key in a token.
 * @param uri as RFC 7512 has it
 * @throws CvmError `signer`
 */
export async function openPkcs11Key(uri: string, options: SignerOptions): Promise<ExternalKey> {
  const parsed = parsePkcs11Uri(uri);
  if (parsed.type !== undefined && parsed.type !== "private") {
    throw ukiError("signer", `cannot sign with key "${uri}": expected type=private, got type=${parsed.type}`);
  }
  const session = await TokenSession.open(parsed, options);
  try {
    await session.login();
    const key = findPrivateKey(session, parsed);
    if (readAttribute(session, key, CKA.sign)?.[0] === 0) {
      throw ukiError("signer", `cannot sign with key "${uri}": expected a key that may sign, got CKA_SIGN false`);
    }
    const publicKey = readPublicKey(session, key, uri);
    const wantsPinEachTime = readAttribute(session, key, CKA.alwaysAuthenticate)?.[0] === 1;
    const prepare = mechanismFor(session, publicKey, uri);
    return {
      publicKey,
      ecdsaEncoding: "ieee-p1363",
      sign: async (request) => {
        const { mechanism, data } = prepare(request);
        // Nothing is awaited between the calls below, since a session has one operation at a time.
        const pin = wantsPinEachTime ? await session.pin() : undefined;
        session.module.call("C_SignInit", session.handle, { mechanism, pParameter: null, ulParameterLen: 0 }, key);
        if (pin !== undefined) session.authenticate(CKU.contextSpecific, pin);
        const signature = Buffer.alloc(MOST_SIGNATURE_BYTES);
        const length = [signature.length];
        session.module.call("C_Sign", session.handle, data, data.length, signature, length);
        return signature.subarray(0, length[0]);
      },
      close: () => {
        session.close();
        return Promise.resolve();
      },
    };
  } catch (error) {
    session.close();
    throw error;
  }
}

/** Which mechanism signs with a key, and what it is given. */
function mechanismFor(
  session: TokenSession,
  publicKey: KeyObject,
  uri: string,
): (request: SignRequest) => { mechanism: number; data: Uint8Array } {
  switch (keyKind(publicKey, uri)) {
    case "rsa":
      if (!offersSigning(session, CKM.rsaPkcs)) {
        return ({ message, hash }) => ({ mechanism: CKM.rsaPkcsWith[hash], data: message });
      }
      return ({ digest, hash }) => ({ mechanism: CKM.rsaPkcs, data: Buffer.concat([DIGEST_INFO[hash], digest]) });
    case "ed25519":
      return ({ message }) => ({ mechanism: CKM.eddsa, data: message });
    // The leftmost bits of a digest that is longer than the curve count, and not every token drops the others itself.
    case "p256":
      return ({ digest }) => ({ mechanism: CKM.ecdsa, data: digest.subarray(0, 32) });
    case "p384":
      return ({ digest }) => ({ mechanism: CKM.ecdsa, data: digest.subarray(0, 48) });
  }
}

function offersSigning({ module, token }: TokenSession, mechanism: number): boolean {
  const info: Partial<MechanismInfo> = {};
  const value = module.attempt("C_GetMechanismInfo", token.slot, mechanism, info);
  return value === CKR.ok && ((info.flags ?? 0) & CKF.mechanismSign) !== 0;
}
