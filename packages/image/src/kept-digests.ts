import { writeFileSync } from "node:fs";
import { compactCanonicalJson, DIGEST_SIZE_BYTES, type HashAlgorithm, sha256Hex } from "@cvm-build/bytes";
import type { DerivedCache } from "@cvm-build/fs-writer";
import type { EqualDigests, KeptDigests } from "@cvm-build/measure";

const KIND = "digests";

/** Digests of kernels and initrds, kept in the store among what is derived: by SHA-256, those of the same bytes. */
export function keptDigests(cache: DerivedCache): KeptDigests {
  return {
    lookup(sha256) {
      const digests = cache.lookup(KIND, sha256)?.meta;
      return areDigests(digests) && digests.sha256 === sha256 ? digests : undefined;
    },
    keep(sha256, digests) {
      const text = compactCanonicalJson(digests);
      const temporaryPath = cache.reserve();
      writeFileSync(temporaryPath, text);
      const sizeBytes = Buffer.byteLength(text);
      cache.commit(KIND, sha256, { temporaryPath, sizeBytes, sha256: sha256Hex(text), meta: digests });
    },
  };
}

function areDigests(value: unknown): value is EqualDigests {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).every(([algorithm, digest]: [string, unknown]) => {
    const sizeBytes = DIGEST_SIZE_BYTES[algorithm as HashAlgorithm];
    return typeof digest === "string" && digest.length === 2 * sizeBytes && /^[0-9a-f]+$/.test(digest);
  });
}
