import type { HashAlgorithm } from "@cvm-build/bytes";
import { exitAlternatives } from "../boot/exit-retry.ts";
import { type MeasuredEvent, pcrOf, type RegisterName } from "../event.ts";
import type { Prediction, Unpredicted } from "../prediction.ts";
import { replay } from "../registers.ts";

/**
 * What a TPM holds beside the RTMRs of a TD, from what it would hold without TDX. EDK2 measures images that it loads and
 * the partition table to RTMRs alone where there are such. On GCE its TPM gets them too, in PCR 2: that is the number of
 * the register of TDX that they went to before.
 * @param prediction of the same boot on a machine without TDX
 * @see EDK2, SecurityPkg/Library/DxeTpm2MeasureBootLib; the log of a TD on GCE in dstack, cc-eventlog/samples
 */
export function predictTpmBesideTdx(prediction: Prediction, { vmm }: { vmm: "qemu" | "gce" }): Prediction {
  const banks = Object.keys(prediction.registers.pcr) as HashAlgorithm[];
  const moved = prediction.events.flatMap((event) => besideTdx(event, vmm) ?? []);
  const unpredicted = [...prediction.unpredicted, ...openBesideTdx(prediction, vmm)];
  const open = new Set(unpredicted.map(({ register }) => register));
  const events = moved.filter(({ register }) => !open.has(register));
  const several = (prediction.alternatives ?? []).filter(({ register }) => !open.has(register));
  const alternatives = several.map((each) => (each.register === "pcr5" ? exitAlternatives(events, banks) : each));
  const hasOneValue = (register: RegisterName) =>
    !open.has(register) && !alternatives.some((each) => each.register === register);
  const pcrs = [
    ...new Set(Object.values(prediction.registers.pcr).flatMap((values) => Object.keys(values).map(Number))),
  ];
  const known = pcrs.filter((pcr) => hasOneValue(`pcr${pcr}`));
  const settled = events.filter(({ register }) => hasOneValue(register));
  const { alternatives: _, ...others } = prediction;
  return {
    ...others,
    events,
    registers: { ...prediction.registers, pcr: replay(settled, { banks, pcrs: known }) },
    unpredicted: unpredicted.sort((a, b) => (pcrOf(a.register) ?? 0) - (pcrOf(b.register) ?? 0)),
    ...(alternatives.length > 0 && { alternatives }),
  };
}

/** The event as the TPM gets it, or undefined where it does not. */
function besideTdx(event: MeasuredEvent, vmm: "qemu" | "gce"): MeasuredEvent | undefined {
  const isBootMeasurement =
    (event.register === "pcr4" && event.type === "EV_EFI_BOOT_SERVICES_APPLICATION") ||
    (event.register === "pcr5" && event.type === "EV_EFI_GPT_EVENT");
  if (vmm === "gce") return isBootMeasurement ? { ...event, register: "pcr2" } : event;
  const isAuthority = event.register === "pcr7" && event.type === "EV_EFI_VARIABLE_AUTHORITY" && event.label === "db";
  return isBootMeasurement || isAuthority ? undefined : event;
}

/** What TDX leaves open beyond what is open without it. */
function openBesideTdx({ events, unpredicted }: Prediction, vmm: "qemu" | "gce"): Unpredicted[] {
  const reasons = new Map<string, string>();
  const hasShim = events.some(({ register, label }) => register === "pcr14" && label === "MokList");
  if (hasShim) {
    const reason = "which of the images that shim starts a TPM beside TDX is told of was not verified";
    for (const register of vmm === "gce" ? ["pcr2", "pcr4"] : ["pcr4", "pcr7"]) reasons.set(register, reason);
  }
  if (vmm === "gce") {
    const moved = unpredicted.find(({ register }) => register === "pcr4" || register === "pcr5");
    if (moved) reasons.set("pcr2", moved.reason);
  }
  for (const { register } of unpredicted) reasons.delete(register);
  return [...reasons].map(([register, reason]) => ({ register, reason }));
}
