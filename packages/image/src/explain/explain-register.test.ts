import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import type { PlatformMeasurements, PublishedEvent } from "../measurements.ts";
import { explainRegister } from "./explain-register.ts";

const sha384 = (...parts: Uint8Array[]) => createHash("sha384").update(Buffer.concat(parts)).digest();
const event = (register: PublishedEvent["register"], label: string): PublishedEvent => ({
  ...{ register, label, source: {} },
  digests: { sha384: sha384(Buffer.from(label)).toString("hex") },
});
const mrtd = "ab".repeat(48);
const rtmr1 = sha384(sha384(Buffer.alloc(48), sha384(Buffer.from("a"))), sha384(Buffer.from("b"))).toString("hex");
const platform: PlatformMeasurements = {
  ...{ name: "td", phases: {}, refused: [] },
  registers: { pcr: {}, mrtd, rtmr: { 1: rtmr1 }, launchDigest: "cd".repeat(32) },
  unpredicted: [{ register: "rtmr0", reason: "the host's" }],
  events: [event("mrtd", "BFV"), event("rtmr1", "a"), event("rtmr1", "b")],
};
const explain = (register: string) => explainRegister(platform, { register });

it("leads an RTMR to its value, as a PCR", () => {
  const { values, events } = explain("rtmr1");
  expect(values).toEqual({ sha384: rtmr1 });
  expect(events.map(({ after }) => after?.sha384)).toEqual([
    sha384(Buffer.alloc(48), sha384(Buffer.from("a"))).toString("hex"),
    rtmr1,
  ]);
});

it("gives no steps of MRTD and launch digests, which are not extended", () => {
  expect(explain("mrtd")).toMatchObject({ values: { sha384: mrtd }, events: [{ label: "BFV" }] });
  expect(explain("mrtd").events[0]).not.toHaveProperty("after");
  expect(explain("launchDigest").values).toEqual({ sha256: "cd".repeat(32) });
});

it("gives the reason of what has no value", () => {
  expect(explain("rtmr0")).toMatchObject({ values: {}, unpredicted: "the host's" });
});

it("names the registers that there are", () => {
  expect(() => explain("pcr4")).toThrow(
    expect.objectContaining({ hint: "it has mrtd, rtmr1, launchDigest, rtmr0" }) as Error,
  );
});
