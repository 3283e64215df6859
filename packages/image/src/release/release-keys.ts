import { createPublicKey, type KeyObject } from "node:crypto";
import { resolve } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import { readSmallFile } from "@cvm-build/uki";
import type { Surroundings } from "../surroundings.ts";
import { decodeMinisignPublicKey, type MinisignKey } from "./minisign/reader.ts";
import { type ReleaseVerification, verifyReleaseFolder } from "./verify-release.ts";

/** Which release to verify, with which keys. */
export interface VerifyReleaseRequest {
  /** Relative to where the command was typed, as the others. */
  directory: string;
  /** Path of a PEM file: a public key, or a certificate. */
  key: string;
  /** Path of a `minisign.pub`, or the key itself as `minisign -P` takes it. */
  minisignKey?: string;
}

/**
 * Verifies a release with keys that are the caller's, not the release's.
 * @throws CvmError `release` where a key or the folder cannot be read
 */
export function verifyRelease(
  { directory, key, minisignKey }: VerifyReleaseRequest,
  { invocationDirectory }: Surroundings,
): ReleaseVerification {
  const keys = {
    publicKey: readPublicKey(key, invocationDirectory),
    minisign: minisignKey === undefined ? undefined : readMinisignKey(minisignKey, invocationDirectory),
  };
  return verifyReleaseFolder(resolve(invocationDirectory, directory), keys);
}

const KEY_TYPES = ["rsa", "ec", "ed25519"];

function readPublicKey(path: string, directory: string): KeyObject {
  const { bytes } = readSmallFile(path, { directory, what: "public key", code: "signature" });
  let key: KeyObject;
  try {
    key = createPublicKey(bytes);
  } catch (cause) {
    throw unusable(path, "a PEM file with a public key or certificate", { cause });
  }
  if (KEY_TYPES.includes(key.asymmetricKeyType ?? "")) return key;
  throw unusable(path, `a key of type ${KEY_TYPES.join(", ")}`);
}

/** The text of a key, in base64: 42 bytes of which the first say that it is one. */
const KEY_TEXT = /^RW[A-Za-z0-9+/]{54}$/;

function readMinisignKey(reference: string, directory: string): MinisignKey {
  const isText = KEY_TEXT.test(reference);
  const file = isText
    ? undefined
    : readSmallFile(reference, { directory, what: "minisign public key", code: "signature" });
  try {
    return decodeMinisignPublicKey(file?.bytes.toString("latin1") ?? reference);
  } catch (cause) {
    throw unusable(reference, "a minisign public key", { cause });
  }
}

function unusable(name: string, expected: string, options: { cause?: unknown } = {}): CvmError {
  return new CvmError("release", `cannot verify with key "${name}": expected ${expected}, got another file`, options);
}
