import type { PlatformMeasurements } from "../measurements.ts";

/** What decides which registers of a platform say something about an image, and which verifier reads them. */
export interface PlatformTraits {
  tee: "tdx" | "snp" | undefined;
  /** Whose machines these are. On Azure a paravisor is what the TEE measures; the image is in the registers of its vTPM. */
  cloud: "aws" | "azure" | "gcp" | undefined;
  hasTpm: boolean;
}

/** Tells what a platform is by its name, as `configs/platforms` names them, and by the registers that it has. */
export function traitsOf({ name, registers }: Pick<PlatformMeasurements, "name" | "registers">): PlatformTraits {
  const words = new Set(name.split("-"));
  const isTdx = registers.mrtd !== undefined || registers.rtmr !== undefined;
  return {
    tee:
      isTdx || words.has("tdx") || name.startsWith("td-shim")
        ? "tdx"
        : registers.launchDigest !== undefined || words.has("snp") || words.has("sev")
          ? "snp"
          : undefined,
    cloud: (["aws", "azure", "gcp"] as const).find((cloud) => words.has(cloud)),
    hasTpm: Object.values(registers.pcr).some((values) => Object.keys(values).length > 0),
  };
}
