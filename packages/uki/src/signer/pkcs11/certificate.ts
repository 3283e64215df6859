import { ukiError } from "../../error.ts";
import type { SignerOptions } from "../options.ts";
import { CKA, CKO } from "./cryptoki.ts";
import { findObjects, readAttribute } from "./object.ts";
import { TokenSession } from "./session.ts";
import { parsePkcs11Uri } from "./uri.ts";

/**
 * Reads the certificates that a URI names from a token, without a login.
 * @returns X.509 in DER, in the token's order
 * @throws CvmError `signer` about the token; `certificate` where the URI names another type
 */
export async function readPkcs11Certificates(uri: string, options: SignerOptions): Promise<Buffer[]> {
  const parsed = parsePkcs11Uri(uri);
  if (parsed.type !== undefined && parsed.type !== "cert") {
    throw ukiError("certificate", `cannot read certificate "${uri}": expected type=cert, got type=${parsed.type}`);
  }
  const session = await TokenSession.open(parsed, options);
  try {
    return findObjects(session, { class: CKO.certificate, label: parsed.object, id: parsed.id }).flatMap((object) => {
      const value = readAttribute(session, object, CKA.value);
      return value ? [value] : [];
    });
  } finally {
    session.close();
  }
}
