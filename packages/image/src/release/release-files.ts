/** Names of what a release holds beside the files of its image. */
export const RELEASE_FILES = {
  checksums: "SHA256SUMS",
  /** Base64 of a signature over `checksums`, as `cosign sign-blob` writes. */
  signature: "SHA256SUMS.sig",
  minisignature: "SHA256SUMS.minisig",
  /** What verifies `signature` and the provenance, as SubjectPublicKeyInfo. */
  publicKey: "release-key.pem",
  minisignPublicKey: "minisign.pub",
} as const;

/** Endings of the documents that are named after the image. */
export const RELEASE_DOCUMENTS = {
  spdx: ".spdx.json",
  cycloneDx: ".cdx.json",
  provenance: ".provenance.json",
} as const;

/** Name of a release's folder in an image's. */
export const RELEASE_FOLDER = "release";
