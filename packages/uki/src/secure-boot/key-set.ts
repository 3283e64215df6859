import type { X509Certificate } from "node:crypto";
import { type Guid, isGuid } from "@cvm-build/bytes";
import { ukiError } from "../error.ts";
import { keySigner } from "../signer/key-signer.ts";
import type { Signer } from "../signer/signer.ts";
import { encodeAuthenticatedVariable } from "./authenticated-variable/writer.ts";
import { generateKey, KEY_ALGORITHMS, type KeyAlgorithm, type KeyPair, selfSignedCertificate } from "./certificate.ts";
import type { SignatureList } from "./signature-list/reader.ts";
import { certificateList, encodeSignatureLists } from "./signature-list/writer.ts";
import { SECURE_BOOT_KEYS, type SecureBootKeyName } from "./variables.ts";

/** Keys of a set, each signing updates of those after it, and db's signing images. */
const KEY_NAMES = ["PK", "KEK", "db"] as const;
type KeyName = (typeof KEY_NAMES)[number];
/** Whose key signs an update of each variable. @see UEFI Specification, section 32.3, "Firmware/OS Key Exchange" */
const SIGNED_BY = { PK: "PK", KEK: "PK", db: "KEK", dbx: "KEK" } as const;

/** @see RFC 5280, appendix A.1, `ub-common-name` */
const MAX_COMMON_NAME = 64;
/** @see RFC 5280, section 4.1.2.5.2: years have four digits */
const LAST_YEAR = 9999;

/** A Secure Boot key set to be made. */
export interface KeySetRequest {
  /** RSA-2048 is what every firmware takes. */
  algorithm: KeyAlgorithm;
  /** Common name of each certificate. */
  names: Record<KeyName, string>;
  /** When the certificates begin to be valid, which no firmware checks. Also the time in the `.auth` files. */
  notBefore: Date;
  notAfter: Date;
  /** Who the signatures belong to in firmware's variables. */
  owner: Guid;
  /** For serial numbers. */
  randomBytes: (sizeBytes: number) => Uint8Array;
  /** What is enrolled beside our own: other people's certificates, digests of revoked images. */
  more?: Partial<Record<"KEK" | "db" | "dbx", readonly SignatureList[]>>;
}

/** A file of a key set: to be written with exactly this mode, and never over another. */
export interface KeyFile {
  name: string;
  content: Buffer;
  mode: 0o600 | 0o644;
}

/** A key set. */
export interface KeySet {
  /**
   * For PK, KEK and db each: private key `.key` (PKCS #8, PEM), certificate `.crt` (PEM) and `.cer` (DER), `.esl` and
   * `.auth`; for dbx the last two, where it has content. The `.auth` files have the names that systemd-boot enrols.
   */
  files: KeyFile[];
  /** Content of the variables once they are enrolled. */
  variables: Record<KeyName, Buffer> & { dbx?: Buffer };
}

/**
 * Makes the keys of a machine that boots only what they signed.
 * @throws CvmError `secure-boot` where a name, the owner or the validity is none
 * @see UEFI Specification, section 32.3; systemd-boot(7), "Secure Boot"
 */
export async function generateKeySet(request: KeySetRequest): Promise<KeySet> {
  checkRequest(request);
  const owners = {} as Record<KeyName, { signer: Signer; certificate: X509Certificate }>;
  const files: KeyFile[] = [];
  for (const name of KEY_NAMES) {
    const pair = await generateKey(request.algorithm);
    const certificate = await selfSignedCertificate(pair, {
      ...request,
      commonName: request.names[name],
      signsCode: name === "db",
    });
    owners[name] = { signer: keySigner(pair.privateKey, name), certificate };
    files.push(...keyFiles(name, pair, certificate));
  }
  const variables: Partial<Record<SecureBootKeyName, Buffer>> = {};
  for (const name of [...KEY_NAMES, "dbx"] as const) {
    const own = name === "dbx" ? [] : [certificateList({ owner: request.owner, der: owners[name].certificate.raw })];
    const more = name === "PK" ? [] : (request.more?.[name] ?? []);
    const data = encodeSignatureLists([...own, ...more]);
    if (data.length === 0) continue;
    variables[name] = data;
    const { signer, certificate } = owners[SIGNED_BY[name]];
    const update = { name, vendor: SECURE_BOOT_KEYS[name], data, timestamp: request.notBefore };
    const auth = await encodeAuthenticatedVariable(update, { signer, certificates: [certificate] });
    files.push(
      { name: `${name}.esl`, content: data, mode: 0o644 },
      { name: `${name}.auth`, content: auth, mode: 0o644 },
    );
  }
  return { files, variables: variables as KeySet["variables"] };
}

/**
 * Makes the key that signs PCR policies, under the names at which systemd's tools look for it. It is RSA-2048, which
 * every TPM verifies.
 * @see ukify(1), `genkey`; systemd-measure(1)
 */
export async function generatePcrKey(): Promise<KeyFile[]> {
  const { privateKey, publicKey } = await generateKey("rsa2048");
  return [
    { name: "tpm2-pcr-private-key.pem", content: pkcs8(privateKey), mode: 0o600 },
    {
      name: "tpm2-pcr-public-key.pem",
      content: Buffer.from(publicKey.export({ type: "spki", format: "pem" })),
      mode: 0o644,
    },
  ];
}

function keyFiles(name: KeyName, { privateKey }: KeyPair, certificate: X509Certificate): KeyFile[] {
  return [
    { name: `${name}.key`, content: pkcs8(privateKey), mode: 0o600 },
    { name: `${name}.crt`, content: Buffer.from(certificate.toString()), mode: 0o644 },
    { name: `${name}.cer`, content: certificate.raw, mode: 0o644 },
  ];
}

function pkcs8(key: KeyPair["privateKey"]): Buffer {
  return Buffer.from(key.export({ type: "pkcs8", format: "pem" }));
}

function checkRequest({ algorithm, names, owner, notBefore, notAfter }: KeySetRequest): void {
  if (!Object.hasOwn(KEY_ALGORITHMS, algorithm)) {
    const known = Object.keys(KEY_ALGORITHMS).join(", ");
    throw ukiError(
      "secure-boot",
      `cannot make keys "${String(algorithm)}": expected one of ${known}, got none of them`,
    );
  }
  for (const name of KEY_NAMES) {
    if (names[name].length === 0 || names[name].length > MAX_COMMON_NAME) {
      const got = `got ${names[name].length}`;
      throw ukiError(
        "secure-boot",
        `cannot make key "${name}": expected a name of 1..${MAX_COMMON_NAME} characters, ${got}`,
      );
    }
  }
  if (!isGuid(owner)) {
    throw ukiError("secure-boot", `cannot make keys of owner "${owner}": expected a GUID in lower case, got none`);
  }
  if (!(notAfter > notBefore && notAfter.getUTCFullYear() <= LAST_YEAR)) {
    const until = Number.isNaN(notAfter.getTime()) ? "a time beyond all" : notAfter.toISOString();
    const expected = `a time after ${notBefore.toISOString()}, in the year ${LAST_YEAR} at the latest`;
    throw ukiError("secure-boot", `cannot make keys valid until ${until}: expected ${expected}, got none`);
  }
}
