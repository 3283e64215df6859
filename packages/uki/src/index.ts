export {
  type AssembledSection,
  type AssembledUki,
  assembleUki,
  type SectionInput,
  type UkiRequest,
} from "./assemble.ts";
export { encodeSignedData, type SignedContent, type SignedDataRequest } from "./cms/writer.ts";
export { joinSources } from "./content.ts";
export { type UkiErrorCode } from "./error.ts";
export { type InspectedSection, inspectUki, type UkiInspection } from "./inspect.ts";
export { readKernelRelease } from "./kernel.ts";
export { authenticodeDigests, authenticodeRanges, type ByteRange } from "./pe/authenticode.ts";
export { dumpPe } from "./pe/dump.ts";
export { type PeImage, type PeSection, readPe } from "./pe/reader.ts";
export { mergeSbat, readSbat } from "./sbat.ts";
export {
  isSectionName,
  measuredSections,
  SECTION_NAMES,
  type SectionName,
  UKI_SECTIONS,
  type UkiSectionRule,
} from "./sections.ts";
export { findStubVersion, readStubVersion, stubVersionOf, type StubVersion } from "./stub.ts";
export { effectiveSections, readUki, type Uki, type UkiSection, type UkiSections } from "./uki.ts";
export { checkPair, readCertificates } from "./signer/certificates.ts";
export { keySigner } from "./signer/key-signer.ts";
export { openSigner } from "./signer/open.ts";
export { type SecretSources, type SignerOptions } from "./signer/options.ts";
export { type SignatureHash, SIGNATURE_HASHES, type Signer } from "./signer/signer.ts";
