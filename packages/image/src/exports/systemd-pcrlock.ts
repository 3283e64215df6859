import { canonicalJson, HASH_ALGORITHMS } from "@cvm-build/bytes";
import { pcrOf } from "@cvm-build/measure";
import type { PublishedEvent } from "../measurements.ts";
import { exportError } from "./export-error.ts";
import type { EncodeExport, PinnedPlatform } from "./reference-values.ts";

/** Where the image comes in the order of a boot: as what `systemd-pcrlock lock-uki` writes. */
const COMPONENT_NUMBER = "650";

/**
 * Writes a component of a boot: the events by which an image extends the pinned PCRs, in their order. What firmware and systemd
 * extend whatever the image is has components of its own, which systemd ships. Platforms that differ become variants.
 * @see systemd.pcrlock(5); TCG Canonical Event Log Format, "CEL-JSON"
 */
export const encodeSystemdPcrlock: EncodeExport = ({ measurements: { image }, platforms }) => {
  const component = `${COMPONENT_NUMBER}-${image.id}.pcrlock`;
  const variants = new Map(
    platforms.map((platform) => [canonicalJson({ records: recordsOf(platform) }), platform.name]),
  );
  return [...variants].map(([text, name]) => ({
    fileName: variants.size === 1 ? component : `${component}.d/${name}.pcrlock`,
    bytes: Buffer.from(text),
  }));
};

function recordsOf({ name, registers, events }: PinnedPlatform) {
  const pinned = new Set<string>(registers.map((register) => register.name));
  const ofImage = events.filter((event) => pinned.has(event.register) && isOfImage(event));
  if (ofImage.length === 0) {
    throw exportError(`"${name}" as systemd-pcrlock`, {
      expected: "events by which the image extends a pinned register",
      got: "none",
      hint: "export from a measurements.json that has events",
    });
  }
  return ofImage.map(({ register, digests }) => ({
    pcr: pcrOf(register),
    digests: HASH_ALGORITHMS.flatMap((bank) => {
      const { [bank]: digest } = digests;
      return digest === undefined ? [] : [{ hashAlg: bank, digest }];
    }),
  }));
}

/** What has no source but a constant is the same for every image. */
function isOfImage({ source }: PublishedEvent): boolean {
  return source.constant === undefined;
}
