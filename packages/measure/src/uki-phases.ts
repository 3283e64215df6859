import type { ByteSource, HashAlgorithm } from "@cvm-build/bytes";
import { effectiveSections, readStubVersion, readUki } from "@cvm-build/uki";
import { hashBanks } from "./digest-banks.ts";
import { Draft } from "./draft.ts";
import { addPhases, foldPhases } from "./phase-events.ts";
import type { Prediction } from "./prediction.ts";
import { addSections } from "./stub-events.ts";

/**
 * Predicts PCR 11 alone: what a policy is signed for before its signature is put into the image. `.pcrsig`, signatures
 * of the image and everything beside it do not change it.
 * @param options.profile which of a multi-profile UKI's profiles is booted. Default: the first
 * @returns PCR 11 after each phase path, by bank
 * @throws FormatError where the image is not a UKI with systemd-stub
 */
export async function predictUkiPhases(
  image: ByteSource,
  options: { banks: readonly HashAlgorithm[]; phases: readonly string[]; profile?: number; threads?: number },
): Promise<Prediction["phases"]> {
  const uki = readUki(image);
  const draft = new Draft();
  addSections(draft, effectiveSections(uki, options.profile), {
    stubMajorVersion: readStubVersion(uki.pe).major,
    sourceOf: (section) => ({ section }),
  });
  addPhases(draft, options.phases);
  const digests = await hashBanks(image, draft.streams, { banks: options.banks, threads: options.threads ?? 1 });
  return foldPhases(draft.finish(digests), options);
}
