export type { BootImageRequest, BootReport } from "./boot.ts";
export { buildImage, type BuildReport, type BuildRequest } from "./build.ts";
export type { Change } from "./diff/diff-contents.ts";
export type { RegisterDifference } from "./diff/diff-registers.ts";
export type { Difference, DiffRequest, ImageDifference } from "./diff/diff.ts";
export type { EventDifference, VerifiedRegister } from "./evidence/event-difference.ts";
export type { LogAgreement } from "./evidence/log-agreement.ts";
export type { ReplayReport } from "./evidence/replay-log.ts";
export type { LogVerification, VerifyLogRequest } from "./evidence/verify-log.ts";
export type { QuoteVerification, RegisterVerdict, VerifyQuoteRequest } from "./evidence/verify-quote.ts";
export type { MeasureRequest } from "./examine.ts";
export { EXPORT_FORMATS, type ExportFormatName } from "./exports/export-formats.ts";
export type { ExportImageRequest, ImageExport } from "./exports/export-image.ts";
export type { TdxFields } from "./exports/reference-values.ts";
export type { FileExplanation } from "./explain/explain-file.ts";
export type { ExplainedEvent, RegisterExplanation } from "./explain/explain-register.ts";
export type { Explanation, ExplainRequest } from "./explain/explain.ts";
export type {
  Dissection,
  InspectedPartition,
  PartContents,
  SignatureFacts,
  Uses,
  VerityFacts,
} from "./inspect/dissection.ts";
export type { ExtractReport, ExtractRequest, NotMade } from "./inspect/extract.ts";
export type { Inspection, InspectRequest, ListingForm } from "./inspect/inspect.ts";
export type { KeysReport, KeysRequest } from "./keys.ts";
export { type Finding, type LintReport, type Place, SEVERITIES, type Severity } from "./lint/finding.ts";
export type { LintRequest } from "./lint/lint.ts";
export type { LockReport, LockRequest } from "./lock.ts";
export type { LockPolicy } from "./locking.ts";
export type { ImageChoice, MachineOptions } from "./machine.ts";
export type { Manifest, ManifestPackage, ScriptReport } from "./manifest.ts";
export type { Measurements, PlatformMeasurements, PublishedEvent } from "./measurements.ts";
export type { ForesightReport, PredictRequest } from "./predict.ts";
export { PROGRAM_VERSION } from "./program.ts";
export type { Proof, ProveRequest } from "./prove.ts";
export type { ReleaseReport, ReleaseRequest } from "./release/release.ts";
export type { VerifyReleaseRequest } from "./release/release-keys.ts";
export type { ReleaseVerification } from "./release/verify-release.ts";
export type { SignatureReport, SignReport, SignRequest, VerifyImageReport, VerifyRequest } from "./sign.ts";
export { summarise, type Summary } from "./summarise.ts";
export type { ProfileSelection, Surroundings } from "./surroundings.ts";
export {
  bootImage,
  diffImage,
  explainImage,
  exportImage,
  extractImage,
  inspectImage,
  lintImage,
  listImage,
  lockImage,
  makeKeys,
  measureImage,
  predictImage,
  proveImage,
  pruneCache,
  releaseImage,
  replayEventLog,
  signImage,
  verifyCache,
  verifyImage,
  verifyLog,
  verifyQuote,
  verifyRelease,
} from "./verbs.ts";

// What of the packages below a caller sees in these requests and reports.
export type { RegisterComparison } from "@cvm-build/measure";
export type { MergedSetting, UnsupportedSetting } from "@cvm-build/profile";
export type { LockChange } from "@cvm-build/resolver";
export type { StoreErrorCode } from "@cvm-build/store";
export type { KeyAlgorithm, SignatureHash, UkiInspection } from "@cvm-build/uki";
