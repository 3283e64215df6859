import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { digest } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import type { MeasuredEvent, RegisterName } from "../event.ts";
import type { Prediction } from "../prediction.ts";
import { replay } from "../registers.ts";
import { predictTpmBesideTdx } from "./tpm-beside-tdx.ts";

const expected = join(import.meta.dirname, "../../../../../shared/vectors/eventlogs/dstack/expected.json");

const event = (
  register: RegisterName,
  type: string,
  label: string,
  content: string | Buffer = label,
): MeasuredEvent => ({
  register,
  type,
  label,
  digests: { sha256: digest("sha256", Buffer.from(content)).toString("hex") },
  source: { constant: "test" },
});

const separator = Buffer.alloc(4);
const boot = [
  event("pcr7", "EV_EFI_VARIABLE_DRIVER_CONFIG", "SecureBoot"),
  event("pcr4", "EV_EFI_ACTION", "Calling EFI Application from Boot Option"),
  ...([2, 3, 4, 5, 6] as const).map((pcr) => event(`pcr${pcr}`, "EV_SEPARATOR", "separator", separator)),
  event("pcr7", "EV_EFI_VARIABLE_AUTHORITY", "db"),
  event("pcr5", "EV_EFI_GPT_EVENT", "partition table"),
  event("pcr4", "EV_EFI_BOOT_SERVICES_APPLICATION", "uki"),
  event("pcr11", "EV_IPL", ".linux"),
  event("pcr4", "EV_EFI_BOOT_SERVICES_APPLICATION", ".linux"),
  event("pcr5", "EV_EFI_ACTION", "Exit Boot Services Invocation"),
  event("pcr5", "EV_EFI_ACTION", "Exit Boot Services Returned with Success"),
];

function predictionOf(events: MeasuredEvent[], more: Partial<Prediction> = {}): Prediction {
  const pcrs = [2, 3, 4, 5, 6, 7, 11].filter(
    (pcr) => !more.unpredicted?.some(({ register }) => register === `pcr${pcr}`),
  );
  const registers = { pcr: replay(events, { banks: ["sha256"], pcrs }) };
  return { events, registers, phases: {}, unpredicted: [], refused: [], ...more };
}

const labels = ({ events }: Prediction, register: string) =>
  events.filter((each) => each.register === register).map(({ label }) => label);

describe("predictTpmBesideTdx", () => {
  it("has on GCE images and the partition table in PCR 2", () => {
    const prediction = predictTpmBesideTdx(predictionOf(boot), { vmm: "gce" });
    expect(labels(prediction, "pcr2")).toEqual(["separator", "partition table", "uki", ".linux"]);
    expect(labels(prediction, "pcr7")).toEqual(["SecureBoot", "db"]);
    expect(prediction.registers.pcr.sha256?.[2]).toBe(replay(prediction.events, { banks: ["sha256"] }).sha256?.[2]);
  });

  it.skipIf(!existsSync(expected))("has in PCR 3 to 6 what a TD on GCE had", () => {
    const real = (
      JSON.parse(readFileSync(expected, "utf8")) as Record<string, { pcrs?: { sha256: Record<string, string> } }>
    )["tpm_eventlog.bin"]?.pcrs?.sha256;
    const { pcr } = predictTpmBesideTdx(predictionOf(boot), { vmm: "gce" }).registers;
    expect([3, 4, 5, 6].map((index) => pcr.sha256?.[index])).toEqual([3, 4, 5, 6].map((index) => real?.[index]));
  });

  it("has nothing of them with OVMF on QEMU", () => {
    const prediction = predictTpmBesideTdx(predictionOf(boot), { vmm: "qemu" });
    expect(labels(prediction, "pcr2")).toEqual(["separator"]);
    expect(labels(prediction, "pcr4")).toEqual(["Calling EFI Application from Boot Option", "separator"]);
    expect(labels(prediction, "pcr5")).not.toContain("partition table");
    expect(labels(prediction, "pcr7")).toEqual(["SecureBoot"]);
    expect(labels(prediction, "pcr11")).toEqual([".linux"]);
  });

  it("leaves PCR 2 open on GCE with what it gets, and several values with what decides", () => {
    const events = boot.filter(({ register }) => register !== "pcr4");
    const open = predictionOf(events, { unpredicted: [{ register: "pcr4", reason: "why" }] });
    const onGce = predictTpmBesideTdx(open, { vmm: "gce" });
    expect(onGce.unpredicted).toEqual([
      { register: "pcr2", reason: "why" },
      { register: "pcr4", reason: "why" },
    ]);
    expect(Object.keys(onGce.registers.pcr.sha256 ?? {})).toEqual(["3", "5", "6", "7", "11"]);
    expect(labels(onGce, "pcr2")).toEqual([]);
    expect(predictTpmBesideTdx(open, { vmm: "qemu" }).unpredicted).toEqual(open.unpredicted);
    const several = predictionOf(boot, { alternatives: [{ register: "pcr5", values: [], reason: "before" }] });
    const { alternatives, registers } = predictTpmBesideTdx(several, { vmm: "gce" });
    expect(registers.pcr.sha256).not.toHaveProperty("5");
    expect(alternatives?.map(({ register, values }) => [register, values.length])).toEqual([["pcr5", 2]]);
    const once = boot.filter(({ register, label }) => register === "pcr5" && label !== "partition table");
    expect(alternatives?.[0]?.values[0]?.sha256).toBe(replay(once, { banks: ["sha256"] }).sha256?.[5]);
  });

  it("leaves open what shim starts", () => {
    const withShim = predictionOf([...boot, event("pcr14", "EV_IPL", "MokList")]);
    const open = (vmm: "qemu" | "gce") =>
      predictTpmBesideTdx(withShim, { vmm }).unpredicted.map(({ register }) => register);
    expect(open("gce")).toEqual(["pcr2", "pcr4"]);
    expect(open("qemu")).toEqual(["pcr4", "pcr7"]);
  });
});
