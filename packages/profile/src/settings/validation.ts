import { VERITY_FORMATS } from "../output-format.ts";
import { filling, list, one } from "../setting.ts";
import { boolean, choice, type ItemKind, NO, path, spell, YES } from "../value-kind.ts";

/** Schemes of keys that are not files. */
const KEY_SCHEME = /^(pkcs11|command|awskms|gcpkms|azurekms):/;

/** A key or certificate: a file, or a reference to one that is held elsewhere. */
const keyReference: ItemKind<string> = {
  expected: "a file, or a reference such as pkcs11:token=release;object=db",
  parse: (text, context) => (KEY_SCHEME.test(text) ? text : path.parse(text, context)),
  format: (value) => value,
};

/** `[Validation]`: signatures. */
export const VALIDATION_SETTINGS = [
  filling("validation.secureBoot", {
    section: "Validation",
    name: "SecureBoot",
    kind: one(boolean),
    default: () => false,
    summary: "Whether the image is signed for UEFI Secure Boot.",
  }),
  filling("validation.secureBootKey", {
    section: "Validation",
    name: "SecureBootKey",
    kind: one(keyReference),
    summary: "The key that signs the image.",
  }),
  filling("validation.secureBootCertificate", {
    section: "Validation",
    name: "SecureBootCertificate",
    kind: one(keyReference),
    summary: "That key's certificate, with its chain behind it.",
  }),
  filling("validation.signExpectedPcr", {
    section: "Validation",
    name: "SignExpectedPcr",
    kind: one(boolean),
    default: () => false,
    summary:
      "Whether the image carries signed policies for PCR 11, so that a TPM opens to every image of the same signer.",
  }),
  filling("validation.signExpectedPcrKeys", {
    section: "Validation",
    name: "SignExpectedPcrKey",
    kind: list(keyReference, { split: "lines" }),
    summary: "RSA keys that each sign the policies; the first is the one whose public half the image carries.",
  }),
  filling("validation.verity", {
    section: "Validation",
    name: "Verity",
    kind: one(
      choice(["auto", "signed", "hash", "none"], {
        spellings: { ...spell("signed", YES), ...spell("none", NO) },
        known: ["defer"],
        useInstead: "use hash, and sign with the key at hand: a build leaves nothing open",
      }),
    ),
    default: () => "auto",
    formats: VERITY_FORMATS,
    summary:
      "Whether the file system has dm-verity data, and its root hash a signature: `auto` signs with a `VerityKey=`.",
  }),
  filling("validation.verityKey", {
    section: "Validation",
    name: "VerityKey",
    kind: one(keyReference),
    summary: "The RSA key that signs the root hash.",
  }),
  filling("validation.verityCertificate", {
    section: "Validation",
    name: "VerityCertificate",
    kind: one(keyReference),
    summary: "That key's certificate.",
  }),
] as const;
