export { type AddonRequest, assembleAddon, type AssembledAddon } from "./addon.ts";
export { type AssembledUki, assembleUki, type UkiRequest } from "./assemble.ts";
export type { AssembledSection } from "./image-file.ts";
export type { SectionInput } from "./requested-sections.ts";
export { dumpCertificateTable } from "./authenticode/dump.ts";
export { type CertificateTableEntry, readCertificateTable } from "./authenticode/reader.ts";
export {
  attachSignature,
  type ImagePaths,
  removeSignatures,
  signDetached,
  type SignedPe,
  type SigningRequest,
  signPe,
} from "./authenticode/sign.ts";
export {
  type PeSignature,
  type PeVerification,
  type TrustOptions,
  verifyDetached,
  verifyPe,
} from "./authenticode/verify.ts";
export { oneLineName } from "./cms/name.ts";
export { type SignedData, type SignerInfo, readSignedData } from "./cms/reader.ts";
export { type SignerVerification, verifySignedData, type VerifyOptions } from "./cms/verify.ts";
export { checkSigner, encodeSignedData, type SignedContent, type SignedDataRequest } from "./cms/writer.ts";
export type { UkiErrorCode } from "./error.ts";
export { type EfiFirmware, encodeEfiFirmware } from "./efi-firmware.ts";
export type { HwidDevice, HwidFile } from "./hwids/description.ts";
export { readHwidDirectory } from "./hwids/directory.ts";
export { encodeHwids } from "./hwids/writer.ts";
export {
  type ImageKind,
  type InspectedProfile,
  type InspectedSignature,
  inspectUki,
  type UkiInspection,
} from "./inspect.ts";
export type { InspectedSection } from "./inspect-section.ts";
export { microcodeArchives, type MicrocodeFile } from "./microcode.ts";
export { readKernelRelease } from "./kernel/release.ts";
export { authenticodeDigests, authenticodeRanges, type ByteRange } from "./pe/authenticode.ts";
export { dumpPe } from "./pe/dump.ts";
export { type PeImage, type PeSection, readPe } from "./pe/reader.ts";
export { signRootHash } from "./root-hash.ts";
export { readSbat } from "./sbat.ts";
export {
  isSectionName,
  measuredSections,
  SECTION_NAMES,
  type SectionName,
  UKI_SECTIONS,
  type UkiSectionRule,
} from "./sections.ts";
export {
  findLoaderInfo,
  findStubVersion,
  type LoaderInfo,
  readStubVersion,
  stubVersionOf,
  type StubVersion,
} from "./stub.ts";
export type { TimestampAuthority } from "./timestamp/request.ts";
export type { TimestampVerification } from "./timestamp/verify.ts";
export { effectiveSections, readUki, type Uki, type UkiSection, type UkiSections } from "./uki.ts";
export { readCertificates } from "./signer/certificates.ts";
export type { ExternalKey, SignRequest } from "./signer/external.ts";
export { keySigner } from "./signer/key-signer.ts";
export { openSigner } from "./signer/open.ts";
export type { SecretSources, SignerOptions } from "./signer/options.ts";
export { readSmallFile, requirePrivate, type SmallFile } from "./signer/private-file.ts";
export { obtainSecret } from "./signer/secret.ts";
export { type SignatureHash, SIGNATURE_HASHES, type Signer } from "./signer/signer.ts";
export { dumpAuthenticatedVariable } from "./secure-boot/authenticated-variable/dump.ts";
export { type AuthenticatedVariable, readAuthenticatedVariable } from "./secure-boot/authenticated-variable/reader.ts";
export {
  authenticatedContent,
  encodeAuthenticatedVariable,
  type VariableUpdate,
} from "./secure-boot/authenticated-variable/writer.ts";
export type { KeyAlgorithm } from "./secure-boot/certificate.ts";
export { enrolledVariables, SECURE_BOOT_ENABLE } from "./secure-boot/enrolment.ts";
export {
  generateKeySet,
  generatePcrKey,
  type KeyFile,
  type KeySet,
  type KeySetRequest,
} from "./secure-boot/key-set.ts";
export { dumpSignatureLists } from "./secure-boot/signature-list/dump.ts";
export { SIGNATURE_TYPES, type SignatureTypeName } from "./secure-boot/signature-list/format.ts";
export { readSignatureLists, type Signature, type SignatureList } from "./secure-boot/signature-list/reader.ts";
export {
  certificateList,
  digestList,
  encodeSignature,
  encodeSignatureLists,
} from "./secure-boot/signature-list/writer.ts";
export { dumpVariableStore } from "./secure-boot/variable-store/dump.ts";
export {
  currentVariables,
  type FirmwareVariable,
  readVariableStore,
  type StoredVariable,
  type VariableStore,
} from "./secure-boot/variable-store/reader.ts";
export { type NewVariable, writeVariableStore } from "./secure-boot/variable-store/writer.ts";
export { EFI_GLOBAL_VARIABLE, SECURE_BOOT_KEYS, type SecureBootKeyName } from "./secure-boot/variables.ts";
export { type ImageDatabases, type ImageVerdict, judgeImage } from "./secure-boot/verdict.ts";
