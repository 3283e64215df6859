import { filling, list, one } from "../setting.ts";
import { boolean, type ItemKind, path } from "../value-kind.ts";

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
] as const;
