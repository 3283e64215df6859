import { CvmError } from "@cvm-build/bytes";

/** What CPUID calls family, model and stepping, extended parts added. */
export interface CpuVersion {
  family: number;
  model: number;
  stepping: number;
}

/** QEMU's models of AMD EPYC, with the last of their versions `-v1`, `-v2`, … in QEMU 11.1; versions share a signature. */
const EPYC_MODELS: Readonly<Record<string, CpuVersion & { versions: number }>> = {
  EPYC: { family: 23, model: 1, stepping: 2, versions: 5 },
  "EPYC-Rome": { family: 23, model: 49, stepping: 0, versions: 5 },
  "EPYC-Milan": { family: 25, model: 1, stepping: 1, versions: 4 },
  "EPYC-Genoa": { family: 25, model: 17, stepping: 0, versions: 3 },
  "EPYC-Turin": { family: 26, model: 0, stepping: 0, versions: 2 },
};

/** Every name of such a model that QEMU's `-cpu` takes. */
export const EPYC_MODEL_NAMES: readonly string[] = [
  ...Object.entries(EPYC_MODELS).flatMap(([name, { versions }]) => [
    name,
    ...Array.from({ length: versions }, (_, index) => `${name}-v${index + 1}`),
  ]),
  "EPYC-IBPB",
];

/**
 * The signature of a CPU: EAX of CPUID leaf 1, and RDX of a vCPU that has been reset.
 * @see AMD, CPUID Specification (25481), "CPUID Fn0000_0001_EAX"
 */
export function cpuSignature({ family, model, stepping }: CpuVersion): number {
  const extendedFamily = Math.max(family - 15, 0);
  return (
    ((extendedFamily & 0xff) << 20) |
    (((model >> 4) & 0xf) << 16) |
    (Math.min(family, 15) << 8) |
    ((model & 0xf) << 4) |
    (stepping & 0xf)
  );
}

/**
 * The signature of a model of QEMU's `-cpu`. It is the model's, on whatever CPU it runs.
 * @throws CvmError `sev-launch` for a model that is not in the table
 */
export function cpuModelSignature(name: string): number {
  const base = name === "EPYC-IBPB" ? "EPYC" : name.replace(/-v\d+$/, "");
  const version = EPYC_MODELS[base];
  if (version && EPYC_MODEL_NAMES.includes(name)) return cpuSignature(version);
  throw new CvmError("sev-launch", `cannot predict a launch digest for CPU model "${name}": expected a model of EPYC`, {
    hint: `name one of ${EPYC_MODEL_NAMES.join(", ")}, or give the signature: EAX of CPUID leaf 1 in the guest`,
    details: { expected: EPYC_MODEL_NAMES, found: name },
  });
}
