import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { MeasuredEvent } from "../event.ts";
import type { Prediction } from "../prediction.ts";
import { withPcr0 } from "./with-pcr0.ts";

const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest("hex");
const event = (register: MeasuredEvent["register"], type: string, text: string): MeasuredEvent => ({
  register,
  type,
  label: text,
  digests: { sha256: sha256(text) },
  source: { constant: text },
});

const boot: Prediction = {
  events: [
    event("pcr7", "EV_EFI_VARIABLE_DRIVER_CONFIG", "variable"),
    event("pcr7", "EV_SEPARATOR", "line"),
    event("pcr4", "EV_EFI_ACTION", "call"),
    event("pcr4", "EV_SEPARATOR", "line"),
    event("pcr5", "EV_SEPARATOR", "line"),
  ],
  registers: { pcr: { sha256: { 4: "four", 5: "five", 7: "seven" } } },
  phases: {},
  unpredicted: [
    { register: "pcr0", reason: "not known" },
    { register: "pcr1", reason: "the machine's" },
  ],
  refused: [],
};

describe("withPcr0", () => {
  it("puts firmware's own events where they happen", () => {
    const own = [event("pcr0", "EV_S_CRTM_VERSION", "version"), event("pcr0", "EV_SEPARATOR", "line")];
    const { events, registers, unpredicted } = withPcr0(boot, { events: own });
    expect(events.map(({ register, label }) => `${register} ${label}`)).toEqual([
      ...["pcr0 version", "pcr7 variable", "pcr7 line", "pcr4 call"],
      ...["pcr0 line", "pcr4 line", "pcr5 line"],
    ]);
    const one = sha256(Buffer.from("00".repeat(32) + sha256("version"), "hex"));
    expect(registers.pcr.sha256).toEqual({
      0: sha256(Buffer.from(one + sha256("line"), "hex")),
      ...{ 4: "four", 5: "five", 7: "seven" },
    });
    expect(unpredicted).toEqual([{ register: "pcr1", reason: "the machine's" }]);
  });

  it("says why there is none", () => {
    const { events, registers, unpredicted } = withPcr0(boot, { events: [], unpredicted: "no OVMF" });
    expect([events, registers]).toEqual([boot.events, boot.registers]);
    expect(unpredicted[0]).toEqual({ register: "pcr0", reason: "no OVMF" });
    expect(unpredicted).toHaveLength(2);
  });
});
