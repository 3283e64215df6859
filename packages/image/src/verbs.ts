import type { PruneReport, VerifyReport } from "@cvm-build/store";
import type { BootImageRequest, BootReport } from "./boot.ts";
import type { Difference, DiffRequest } from "./diff/diff.ts";
import type { LogChoice } from "./evidence/log.ts";
import type { ReplayReport } from "./evidence/replay-log.ts";
import type { LogVerification, VerifyLogRequest } from "./evidence/verify-log.ts";
import type { QuoteVerification, VerifyQuoteRequest } from "./evidence/verify-quote.ts";
import type { MeasureRequest } from "./examine.ts";
import type { ExportImageRequest, ImageExport } from "./exports/export-image.ts";
import type { Explanation, ExplainRequest } from "./explain/explain.ts";
import type { ExtractReport, ExtractRequest } from "./inspect/extract.ts";
import type { Inspection, InspectRequest, ListingForm } from "./inspect/inspect.ts";
import type { KeysReport, KeysRequest } from "./keys.ts";
import type { LintReport } from "./lint/finding.ts";
import type { LintRequest } from "./lint/lint.ts";
import type { LockReport, LockRequest } from "./lock.ts";
import type { Measurements } from "./measurements.ts";
import type { ForesightReport, PredictRequest } from "./predict.ts";
import type { Proof, ProveRequest } from "./prove.ts";
import type { ReleaseReport, ReleaseRequest } from "./release/release.ts";
import type { VerifyReleaseRequest } from "./release/release-keys.ts";
import type { ReleaseVerification } from "./release/verify-release.ts";
import type { SignReport, SignRequest, VerifyImageReport, VerifyRequest } from "./sign.ts";
import type { Surroundings } from "./surroundings.ts";

// What a verb needs is loaded when the verb is run: most runs are builds, and most builds find nothing changed.

/** Resolves a profile afresh, writes the lock, and says what changed. */
export async function lockImage(request: LockRequest, surroundings: Surroundings): Promise<LockReport> {
  return (await import("./lock.ts")).lockImage(request, surroundings);
}

/** Says what is in an image of any format. */
export async function inspectImage(request: InspectRequest, surroundings: Surroundings): Promise<Inspection> {
  return (await import("./inspect/inspect.ts")).inspectImage(request, surroundings);
}

/** Lists the files of an image. */
export async function listImage(
  request: { image: string; form: ListingForm },
  surroundings: Surroundings,
): Promise<string[]> {
  return (await import("./inspect/inspect.ts")).listImage(request, surroundings);
}

/** Takes files, partitions or sections out of an image. */
export async function extractImage(request: ExtractRequest, surroundings: Surroundings): Promise<ExtractReport> {
  return (await import("./inspect/extract.ts")).extractImage(request, surroundings);
}

/** Predicts the registers of an image on platforms, from its own bytes. */
export async function measureImage(request: MeasureRequest, surroundings: Surroundings): Promise<Measurements> {
  return (await import("./examine.ts")).measureImage(request, surroundings);
}

/** Predicts the registers of the image that a profile would build. */
export async function predictImage(request: PredictRequest, surroundings: Surroundings): Promise<ForesightReport> {
  return (await import("./predict.ts")).predictImage(request, surroundings);
}

/** Measures an image, and writes its reference values as verifiers read them. */
export async function exportImage(request: ExportImageRequest, surroundings: Surroundings): Promise<ImageExport> {
  return (await import("./exports/export-image.ts")).exportImage(request, surroundings);
}

/** Explains registers of an image, or a file of it. */
export async function explainImage(request: ExplainRequest, surroundings: Surroundings): Promise<Explanation> {
  return (await import("./explain/explain.ts")).explainImage(request, surroundings);
}

/** Compares an image with another, or with what a machine says that it measured. */
export async function diffImage(request: DiffRequest, surroundings: Surroundings): Promise<Difference> {
  return (await import("./diff/diff.ts")).diffImage(request, surroundings);
}

/** Says what the host can still influence of an image. */
export async function lintImage(request: LintRequest, surroundings: Surroundings): Promise<LintReport> {
  return (await import("./lint/lint.ts")).lintImage(request, surroundings);
}

/** Makes the keys of Secure Boot and of PCR policies, with what enrols them. */
export async function makeKeys(request: KeysRequest, surroundings: Surroundings): Promise<KeysReport> {
  return (await import("./keys.ts")).makeKeys(request, surroundings);
}

/** Signs an image for Secure Boot. */
export async function signImage(request: SignRequest, surroundings: Surroundings): Promise<SignReport> {
  return (await import("./sign.ts")).signImage(request, surroundings);
}

/** Verifies the signatures of an image. */
export async function verifyImage(request: VerifyRequest, surroundings: Surroundings): Promise<VerifyImageReport> {
  return (await import("./sign.ts")).verifyImage(request, surroundings);
}

/** Boots an image with its serial line on the user's terminal. */
export async function bootImage(request: BootImageRequest, surroundings: Surroundings): Promise<BootReport> {
  return (await import("./boot.ts")).bootImage(request, surroundings);
}

/** Boots an image under an emulated TPM and holds its registers against what was published for it. */
export async function proveImage(request: ProveRequest, surroundings: Surroundings): Promise<Proof> {
  return (await import("./prove.ts")).proveImage(request, surroundings);
}

/** Replays an event log into the registers that it leads to. */
export async function replayEventLog(choice: LogChoice, surroundings: Surroundings): Promise<ReplayReport> {
  return (await import("./evidence/replay-log.ts")).replayEventLog(choice, surroundings);
}

/** Holds a machine's event log against what was published for an image. */
export async function verifyLog(request: VerifyLogRequest, surroundings: Surroundings): Promise<LogVerification> {
  return (await import("./evidence/verify-log.ts")).verifyLog(request, surroundings);
}

/** Holds the registers that evidence states against what was published for an image. */
export async function verifyQuote(request: VerifyQuoteRequest, surroundings: Surroundings): Promise<QuoteVerification> {
  return (await import("./evidence/verify-quote.ts")).verifyQuote(request, surroundings);
}

/** Makes a signed release of an image that was built before. */
export async function releaseImage(request: ReleaseRequest, surroundings: Surroundings): Promise<ReleaseReport> {
  return (await import("./release/release.ts")).releaseImage(request, surroundings);
}

/** Verifies a release with its user's own keys. */
export async function verifyRelease(
  request: VerifyReleaseRequest,
  surroundings: Surroundings,
): Promise<ReleaseVerification> {
  return (await import("./release/release-keys.ts")).verifyRelease(request, surroundings);
}

/** Bounds the store's size: what was used longest ago goes first. */
export async function pruneCache(options: { maxBytes: number }, surroundings: Surroundings): Promise<PruneReport> {
  return (await import("./store.ts")).storeOf(surroundings).prune(options);
}

/** Compares everything in the store with its digest. Damaged objects are set aside. */
export async function verifyCache(surroundings: Surroundings): Promise<VerifyReport> {
  return (await import("./store.ts")).storeOf(surroundings).verifyAll();
}
