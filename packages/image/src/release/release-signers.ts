import { createHash } from "node:crypto";
import { CvmError } from "@cvm-build/bytes";
import {
  obtainSecret,
  openSigner,
  readSmallFile,
  requirePrivate,
  type Signer,
  type SignerOptions,
  type SmallFile,
} from "@cvm-build/uki";
import { isMinisignFile, openMinisignKey } from "./minisign/secret-key.ts";
import type { MinisignSigner } from "./minisign/writer.ts";

/** Who signs a release. */
export interface ReleaseSigners extends AsyncDisposable {
  /** Signs checksums and provenance. */
  signer: Signer;
  /** Signs the checksums as minisign does, too. */
  minisign: MinisignSigner | undefined;
}

/** Which keys, as `openSigner` has them; a minisign key also as minisign's own secret key file. */
export interface ReleaseKeyReferences {
  key: string;
  minisignKey?: string;
  /** A file with the passphrase of the minisign key, where it is not that of the other. */
  minisignPassphraseFile?: string;
}

/**
 * Opens the keys of a release.
 * @throws CvmError `signer`; FormatError for a damaged minisign key
 */
export async function openReleaseSigners(
  { key, minisignKey, minisignPassphraseFile }: ReleaseKeyReferences,
  options: SignerOptions,
): Promise<ReleaseSigners> {
  const { secrets } = options;
  const own = minisignPassphraseFile === undefined ? secrets : { ...secrets, passphraseFile: minisignPassphraseFile };
  const signer = await openSigner(key, options);
  try {
    const minisign =
      minisignKey === undefined ? undefined : await openMinisignSigner(minisignKey, { ...options, secrets: own });
    return {
      signer,
      minisign,
      async [Symbol.asyncDispose]() {
        await minisign?.signer[Symbol.asyncDispose]();
        await signer[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await signer[Symbol.asyncDispose]();
    throw error;
  }
}

async function openMinisignSigner(reference: string, options: SignerOptions): Promise<MinisignSigner> {
  const file = readMinisignFile(reference, options);
  if (file) {
    requirePrivate(file, "key");
    const passphrase = () => obtainSecret(`passphrase of key "${reference}"`, options);
    return openMinisignKey(file.bytes.toString("latin1"), { name: reference, passphrase });
  }
  const signer = await openSigner(reference, options);
  const type = signer.publicKey.asymmetricKeyType;
  if (type === "ed25519") return { keyId: keyIdOf(signer), signer };
  await signer[Symbol.asyncDispose]();
  throw new CvmError(
    "signer",
    `cannot sign as minisign does with "${reference}": expected an Ed25519 key, got ${type}`,
  );
}

/** Undefined where the reference is of another kind: a key file in another format, or no file at all. */
function readMinisignFile(reference: string, { directory }: SignerOptions): SmallFile | undefined {
  let file: SmallFile;
  try {
    file = readSmallFile(reference, { directory, what: "key", code: "signer" });
  } catch {
    return undefined; // whoever opens it says what is wrong
  }
  return isMinisignFile(file.bytes) ? file : undefined;
}

/** A key that minisign did not make has no id of its own: the start of its digest stands in. */
function keyIdOf({ publicKey }: Signer): Buffer {
  return createHash("blake2b512")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest()
    .subarray(0, 8);
}
