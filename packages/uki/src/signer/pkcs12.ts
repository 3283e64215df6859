import { createPrivateKey, type KeyObject } from "node:crypto";
import type forge from "node-forge";
import { ukiError } from "../error.ts";
import { obtainSecret } from "./secret.ts";
import type { SignerOptions } from "./options.ts";
import type { SmallFile } from "./private-file.ts";

/** The keys and certificates of a PKCS#12 file. */
export interface Pkcs12 {
  keys: KeyObject[];
  /** X.509 in DER, in the file's order, which says nothing. */
  certificates: Buffer[];
}

/** `PFX`: a SEQUENCE that begins with the INTEGER 3. */
const PFX = /^30(?:[0-7].|80|81..|82.{4}|83.{6}|84.{8})020103/;

/**
 * Says whether bytes begin as PKCS#12 does.
 * @see RFC 7292 section 4
 */
export function isPkcs12(bytes: Buffer): boolean {
  return PFX.test(bytes.toString("hex", 0, 9));
}

/**
 * Opens a PKCS#12 file with its passphrase.
 * @throws CvmError `signer` where the passphrase is another or the file is damaged
 * @see RFC 7292
 */
export async function openPkcs12({ path, bytes }: SmallFile, options: SignerOptions): Promise<Pkcs12> {
  const passphrase = await obtainSecret(`passphrase of "${path}"`, options);
  // The format wants UTF-16 for its MAC and UTF-8 for its ciphers, and the library takes one string for both.
  if (/[^\x20-\x7e]/.test(passphrase)) {
    throw ukiError("signer", `cannot open "${path}": expected a passphrase of ASCII, got other characters`, {
      hint: `openssl pkcs12 -in ${path} -nocerts -out KEY.pem, and sign with that`,
    });
  }
  const { default: library } = await import("node-forge");
  try {
    const asn1 = library.asn1.fromDer(bytes.toString("latin1"));
    const pfx = library.pkcs12.pkcs12FromAsn1(asn1, passphrase);
    const bags = pfx.safeContents.flatMap((contents) => contents.safeBags);
    return {
      keys: bags.filter(isKeyBag(library)).map((bag) => bagKey(library, bag)),
      certificates: bags
        .filter((bag) => bag.type === library.pki.oids["certBag"])
        .map((bag) => der(library, certificateAsn1(library, bag))),
    };
  } catch (cause) {
    // The library's errors may carry what it had decrypted, so only their message is used.
    const reason = cause instanceof Error ? cause.message : String(cause);
    const wrong = /password|decrypt/i.test(reason);
    const expected = wrong ? "its passphrase, got another one" : `a PKCS#12 file, got: ${reason.replace(/\.$/, "")}`;
    throw ukiError("signer", `cannot open "${path}": expected ${expected}`);
  }
}

function isKeyBag({ pki }: typeof forge): (bag: forge.pkcs12.Bag) => boolean {
  return ({ type }) => type === pki.oids["pkcs8ShroudedKeyBag"] || type === pki.oids["keyBag"];
}

/** RSA is decoded by the library; of other kinds it leaves the `PrivateKeyInfo`, decrypted. */
function bagKey(library: typeof forge, { key, asn1 }: forge.pkcs12.Bag): KeyObject {
  const info = key ? library.pki.wrapRsaPrivateKey(library.pki.privateKeyToAsn1(key)) : asn1;
  return createPrivateKey({ key: der(library, info), format: "der", type: "pkcs8" });
}

function certificateAsn1({ pki }: typeof forge, { cert, asn1 }: forge.pkcs12.Bag): forge.asn1.Asn1 {
  return cert ? pki.certificateToAsn1(cert) : asn1;
}

function der({ asn1 }: typeof forge, value: forge.asn1.Asn1): Buffer {
  return Buffer.from(asn1.toDer(value).getBytes(), "latin1");
}
