import type { X509Certificate } from "node:crypto";
import { CvmError } from "@cvm-build/bytes";
import { checkPolicySigner } from "@cvm-build/measure";
import type { Profile, ValidationSettings } from "@cvm-build/profile";
import { checkSigner, openSigner, readCertificates, type Signer, type SignerOptions } from "@cvm-build/uki";
import type { Surroundings } from "./surroundings.ts";

/** Somebody with a key and the certificates that speak for it. */
export interface CertifiedSigner {
  signer: Signer;
  /** The signer's own, then its issuers. */
  certificates: X509Certificate[];
}

/** Who signs an image: nobody, unless `[Validation]` says so. */
export interface ImageSigners extends AsyncDisposable {
  secureBoot: CertifiedSigner | undefined;
  /** Signs the root hashes of file systems. */
  verity: CertifiedSigner | undefined;
  /** Sign the policies of PCR 11; the first one's public key is in the image. */
  pcr: Signer[];
}

/**
 * Opens the keys that a profile names, before a build begins that could not be finished without them.
 * @throws CvmError `setting` where one is not named; `signer`; `certificate` or `pcr-policy` where it cannot sign what it is to
 */
export async function openImageSigners(
  { validation }: Pick<Profile, "validation">,
  surroundings: Surroundings,
): Promise<ImageSigners> {
  const opened: Signer[] = [];
  const dispose = async () => {
    for (const signer of opened) await signer[Symbol.asyncDispose]();
  };
  const options = signerOptions(surroundings);
  const open = async (reference: string) => {
    const signer = await openSigner(reference, options);
    opened.push(signer);
    return signer;
  };
  try {
    const secureBoot = validation.secureBoot ? await openSecureBoot(validation, { open, options }) : undefined;
    const pcr: Signer[] = [];
    for (const reference of pcrKeys(validation)) pcr.push(await open(reference));
    for (const signer of pcr) checkPolicySigner(signer);
    const verity = await openVerity(validation, { open, options });
    return { secureBoot, verity, pcr, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/**
 * Opens a key and its certificate.
 * @throws CvmError `signer`, `certificate` where they are not a pair
 */
export async function openCertifiedSigner(
  { key, certificate }: { key: string; certificate: string },
  surroundings: Surroundings,
): Promise<CertifiedSigner> {
  const options = signerOptions(surroundings);
  const signer = await openSigner(key, options);
  try {
    return await certify(signer, { certificate, options });
  } catch (error) {
    await signer[Symbol.asyncDispose]();
    throw error;
  }
}

/** What opening a key needs of a run's surroundings: paths are relative to where the command was typed. */
export function signerOptions({ invocationDirectory, environment, secrets }: Surroundings): SignerOptions {
  return { directory: invocationDirectory, environment, secrets };
}

/**
 * Reads the certificates of several files, one after the other: each may ask for a passphrase.
 * @throws CvmError `certificate`, `signer`
 */
export async function readAllCertificates(
  references: readonly string[],
  surroundings: Surroundings,
): Promise<X509Certificate[]> {
  const certificates: X509Certificate[] = [];
  for (const reference of references) {
    certificates.push(...(await readCertificates(reference, signerOptions(surroundings))));
  }
  return certificates;
}

async function openSecureBoot(
  { secureBootKey, secureBootCertificate }: ValidationSettings,
  { open, options }: { open: (reference: string) => Promise<Signer>; options: SignerOptions },
): Promise<CertifiedSigner> {
  if (secureBootKey === undefined) throw missing("SecureBootKey", "SecureBoot");
  if (secureBootCertificate === undefined) throw missing("SecureBootCertificate", "SecureBoot");
  return certify(await open(secureBootKey), { certificate: secureBootCertificate, options });
}

/** `auto` signs where there is a key. That the settings go together was checked when the profile was read. */
async function openVerity(
  { verity, verityKey, verityCertificate }: ValidationSettings,
  { open, options }: { open: (reference: string) => Promise<Signer>; options: SignerOptions },
): Promise<CertifiedSigner | undefined> {
  const isSigned = verity === "auto" || verity === "signed";
  if (!isSigned || verityKey === undefined || verityCertificate === undefined) return undefined;
  return certify(await open(verityKey), { certificate: verityCertificate, options });
}

async function certify(
  signer: Signer,
  { certificate, options }: { certificate: string; options: SignerOptions },
): Promise<CertifiedSigner> {
  const certificates = await readCertificates(certificate, options);
  checkSigner(signer, certificates);
  return { signer, certificates };
}

function pcrKeys({ signExpectedPcr, signExpectedPcrKeys }: ValidationSettings): readonly string[] {
  if (!signExpectedPcr) return [];
  if (signExpectedPcrKeys.length === 0) throw missing("SignExpectedPcrKey", "SignExpectedPcr");
  return signExpectedPcrKeys;
}

function missing(setting: string, switchedOnBy: string): CvmError {
  return new CvmError("setting", `cannot sign the image: expected Validation.${setting}=, got none`, {
    hint: `set it, or ${switchedOnBy}=no; cvm-build keys makes a set of keys`,
  });
}
