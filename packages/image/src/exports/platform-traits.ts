import type { PlatformMeasurements } from "../measurements.ts";

/** What decides which registers of a platform say something about an image, and which verifier reads them. */
export interface PlatformTraits {
  tee: "tdx" | "snp" | undefined;
  /** Whose machines these are. On Azure a paravisor is what the TEE measures; the image is in the registers of its vTPM. */
  cloud: "aws" | "azure" | "gcp" | undefined;
  hasTpm: boolean;
}

/** Tells what a platform is by its name, as `configs/platforms` names them, and by the registers that it speaks of. */
export function traitsOf(platform: PlatformMeasurements): PlatformTraits {
  const words = new Set(platform.name.split(/[-+_.]/));
  const { registers, unpredicted, alternatives = [] } = platform;
  const spokenOf = [...unpredicted, ...alternatives].map(({ register }) => register);
  const isTdx = registers.mrtd ?? registers.rtmr ?? spokenOf.find((register) => /^(mrtd|rtmr\d)$/.test(register));
  const isSev = registers.launchDigest ?? spokenOf.find((register) => register === "launchDigest");
  const hasPcrs = Object.values(registers.pcr).some((values) => Object.keys(values).length > 0);
  return {
    tee: isTdx !== undefined || words.has("tdx") ? "tdx" : isSev !== undefined || words.has("snp") ? "snp" : undefined,
    cloud: (["aws", "azure", "gcp"] as const).find((cloud) => words.has(cloud)),
    hasTpm: hasPcrs || alternatives.some(({ register }) => register.startsWith("pcr")),
  };
}
