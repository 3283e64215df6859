import type { Sha256Hex } from "@cvm-build/bytes";
import type { Lock } from "@cvm-build/resolver";
import { LOCK_FILE } from "../locking.ts";
import type { Manifest } from "../manifest.ts";
import type { Checksums } from "./checksums.ts";
import { lockedInputs } from "./locked-inputs.ts";

/** Media type of an in-toto statement, as DSSE's payload type. */
export const IN_TOTO = "application/vnd.in-toto+json";
/** @see in-toto Attestation Framework v1.1, "Statement" */
export const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
/** @see SLSA v1.1, "Provenance" */
export const PROVENANCE_TYPE = "https://slsa.dev/provenance/v1";
/** Says what `externalParameters` mean: they are explained in docs/releases.md. */
export const BUILD_TYPE = "urn:cvm-build:build:1";
/** Who is said to have built where nobody is named. */
export const UNNAMED_BUILDER = "urn:cvm-build:builder:unnamed";

/** One thing that went into an image, or came out. */
export interface ResourceDescriptor {
  name: string;
  uri?: string;
  digest: { sha256: Sha256Hex };
}

/** What provenance is made from. */
export interface ProvenanceInput {
  manifest: Pick<Manifest, "image" | "tools" | "lock">;
  lock: Lock;
  subjects: Checksums;
  /** A URI that names who builds, and is trusted to say so. */
  builderId: string;
  /** When the build ended, ISO 8601 in UTC; left out where nobody says. */
  finishedOn?: string | undefined;
}

/** The in-toto statement that says how an image was made. */
export function provenanceStatement({ manifest, lock, subjects, builderId, finishedOn }: ProvenanceInput) {
  const { profiles, id, version, format, kernelCommandLine, sourceDateEpochSec } = manifest.image;
  return {
    _type: STATEMENT_TYPE,
    subject: [...subjects].map(([name, sha256]) => ({ name, digest: { sha256 } })),
    predicateType: PROVENANCE_TYPE,
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: {
          profiles,
          image: { id, version, format },
          settings: { kernelCommandLine, sourceDateEpochSec },
          requestSha256: lock.requestSha256,
        },
        resolvedDependencies: resolvedDependencies(lock, manifest.lock.sha256),
      },
      runDetails: {
        builder: {
          id: builderId,
          version: {
            "cvm-build": manifest.tools.cvmBuild,
            zstd: manifest.tools.zstd,
            segmentFormat: String(manifest.tools.segmentFormat),
            ...(manifest.tools.erofsFormat !== undefined && { erofsFormat: String(manifest.tools.erofsFormat) }),
          },
        },
        ...(finishedOn !== undefined && { metadata: { finishedOn } }),
      },
    },
  };
}

/** The lock and every input that it names: archives' signed indexes, packages, artefacts. */
export function resolvedDependencies(lock: Lock, lockSha256: Sha256Hex): ResourceDescriptor[] {
  return [
    { name: LOCK_FILE, digest: { sha256: lockSha256 } },
    ...lock.repositories.map(({ suite, inReleaseSha256 }) => ({
      name: `${suite} InRelease`,
      digest: { sha256: inReleaseSha256 },
    })),
    ...lockedInputs(lock).map(({ name, purl, sha256 }) => ({ name, uri: purl, digest: { sha256 } })),
  ];
}
