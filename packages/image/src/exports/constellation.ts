import { canonicalJson } from "@cvm-build/bytes";
import { digestOf, indexOf, onlyValue } from "./combinations.ts";
import { exportError } from "./export-error.ts";
import type { EncodeExport, PinnedPlatform, PinnedRegister } from "./reference-values.ts";

const CLOUDS = { aws: "AWS", azure: "Azure", gcp: "GCP" } as const;
/** @see golang.org/x/mod/semver: a canonical version, without build metadata */
const CANONICAL_VERSION = /^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$/;

/**
 * Writes image measurements V2. The first entry of a cloud and variant is the one that counts, so that each register has one
 * value; of TDX, index 0 is MRTD and RTMRs follow.
 * @see edgelesssys/constellation, internal/attestation/measurements, `ImageMeasurementsV2`
 */
export const encodeConstellation: EncodeExport = ({ measurements: { image }, platforms }, { constellation = {} }) => {
  const { version = `v${image.version}`, ref = "-", stream = "stable" } = constellation;
  if (!CANONICAL_VERSION.test(version)) {
    throw exportError(`"${image.id}" as constellation`, {
      expected: "a canonical semantic version, such as v1.2.3",
      got: version,
      hint: "say which with --constellation-version, or set Output.ImageVersion= to such a version",
    });
  }
  const list = platforms.map((platform) => ({
    csp: platform.traits.cloud === undefined ? "QEMU" : CLOUDS[platform.traits.cloud],
    attestationVariant: variantOf(platform),
    measurements: Object.fromEntries(platform.registers.map((register) => measurementOf(register, platform.name))),
  }));
  const seen = new Set(list.map(({ csp, attestationVariant }) => `${csp} ${attestationVariant}`));
  if (seen.size < list.length) {
    throw exportError(`"${image.id}" as constellation`, {
      expected: "one platform a cloud and attestation variant",
      got: platforms.map(({ name }) => name).join(", "),
      hint: "name one of them with --platform",
    });
  }
  const document = { version, ref, stream, list };
  return [{ fileName: `${image.id}.constellation.json`, bytes: Buffer.from(canonicalJson(document)) }];
};

function measurementOf(register: PinnedRegister, platform: string) {
  const { name } = register;
  const index = name === "mrtd" ? 0 : name.startsWith("rtmr") ? indexOf(name) + 1 : indexOf(name);
  return [index, { expected: digestOf(onlyValue(register, { platform, format: "constellation" })), warnOnly: false }];
}

/** @see edgelesssys/constellation, internal/attestation/variant */
function variantOf({ traits: { cloud, tee } }: PinnedPlatform): string {
  if (cloud === "aws") return tee === "snp" ? "aws-sev-snp" : "aws-nitro-tpm";
  if (cloud === "azure") return tee === "tdx" ? "azure-tdx" : tee === "snp" ? "azure-sev-snp" : "azure-trustedlaunch";
  if (cloud === "gcp") return "gcp-sev-snp";
  return tee === "tdx" ? "qemu-tdx" : "qemu-vtpm";
}
