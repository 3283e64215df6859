import { createPrivateKey, scrypt } from "node:crypto";
import { CvmError, FormatError } from "@cvm-build/bytes";
import { keySigner } from "@cvm-build/uki";
import { decodeBase64 } from "../base64.ts";
import {
  CHECKSUM_ALGORITHM,
  DERIVATIONS,
  KEY_ALGORITHM,
  MinisignSecret,
  MinisignSecretKey,
  UNTRUSTED_COMMENT,
} from "./format.ts";
import type { MinisignSigner } from "./writer.ts";

/** What minisign itself asks for: libsodium's "sensitive" limits. A file that wants more is refused. */
const MAX_OPERATIONS = 1n << 25n;
const MAX_MEMORY_BYTES = 1n << 30n;

/** Says whether a file's bytes are those of a minisign key, public or secret. */
export function isMinisignFile(bytes: Buffer): boolean {
  return bytes.subarray(0, UNTRUSTED_COMMENT.length).equals(Buffer.from(UNTRUSTED_COMMENT));
}

/**
 * Opens a secret key file.
 * @param name what errors call it
 * @param passphrase asked only where the key is encrypted
 * @throws FormatError; CvmError `signer` for a wrong passphrase
 */
export async function openMinisignKey(
  text: string,
  { name, passphrase }: { name: string; passphrase: () => Promise<string> },
): Promise<MinisignSigner> {
  const encoded = text.split(/\r?\n/)[1] ?? "";
  const file = MinisignSecretKey.decode(decodeBase64(encoded, "MinisignSecretKey"));
  if (file.algorithm !== KEY_ALGORITHM || file.checksumAlgorithm !== CHECKSUM_ALGORITHM) {
    throw new FormatError({ record: "MinisignSecretKey" }, "expected an Ed25519 key with a BLAKE2b checksum");
  }
  const isEncrypted = !file.derivation.equals(DERIVATIONS.none);
  if (isEncrypted && !file.derivation.equals(DERIVATIONS.scrypt)) {
    throw new FormatError({ record: "MinisignSecretKey", field: "derivation" }, "expected scrypt or none");
  }
  const secret = MinisignSecret.decode(isEncrypted ? await decrypt(file, await passphrase()) : file.secret);
  if (isEncrypted && !(await checksumOf(file, secret)).equals(secret.checksum)) {
    throw new CvmError("signer", `cannot open key "${name}": expected its passphrase, got another`);
  }
  return signerOf(secret, name);
}

/** The public key in the file is what verifies: it must be the one of the seed. */
function signerOf({ keyId, seed, publicKey }: MinisignSecret, name: string): MinisignSigner {
  const x = publicKey.toString("base64url");
  const jwk = { kty: "OKP", crv: "Ed25519", d: seed.toString("base64url"), x };
  const signer = keySigner(createPrivateKey({ key: jwk, format: "jwk" }), name);
  if (signer.publicKey.export({ format: "jwk" }).x === x) return { keyId, signer };
  throw new FormatError({ record: "MinisignSecret", field: "publicKey" }, "expected the public key of the seed");
}

async function decrypt({ salt, operationsLimit, memoryLimitBytes, secret }: MinisignSecretKey, passphrase: string) {
  const parameters = scryptParameters(operationsLimit, memoryLimitBytes);
  const stream = await new Promise<Buffer>((resolve, reject) => {
    scrypt(passphrase, salt, secret.length, parameters, (error, key) => (error ? reject(error) : resolve(key)));
  });
  return Buffer.from(secret.map((byte, index) => byte ^ (stream[index] ?? 0)));
}

/**
 * Cost parameters that stand for the limits in a file.
 * @see libsodium, crypto_pwhash_scryptsalsa208sha256: how it picks N, r and p
 */
function scryptParameters(operationsLimit: bigint, memoryLimitBytes: bigint) {
  if (operationsLimit > MAX_OPERATIONS || memoryLimitBytes > MAX_MEMORY_BYTES) {
    const place = { record: "MinisignSecretKey", field: "operationsLimit" };
    throw new FormatError(place, `expected at most ${MAX_OPERATIONS} operations and ${MAX_MEMORY_BYTES} bytes`);
  }
  const blockSize = 8;
  const operations = Math.max(Number(operationsLimit), 1 << 15);
  const memoryBytes = Number(memoryLimitBytes);
  const isBoundByTime = operations < Math.floor(memoryBytes / 32);
  const most = Math.floor(isBoundByTime ? operations / (blockSize * 4) : memoryBytes / (blockSize * 128));
  let cost = 2;
  while (cost <= Math.floor(most / 2)) cost *= 2;
  const parallelization = isBoundByTime ? 1 : Math.max(1, Math.floor(operations / 4 / cost / blockSize));
  return { cost, blockSize, parallelization, maxmem: 2 * 128 * cost * blockSize };
}

async function checksumOf({ algorithm }: MinisignSecretKey, { keyId, seed, publicKey }: MinisignSecret) {
  const { blake2b } = await import("@noble/hashes/blake2.js");
  return Buffer.from(blake2b(Buffer.concat([Buffer.from(algorithm), keyId, seed, publicKey]), { dkLen: 32 }));
}
