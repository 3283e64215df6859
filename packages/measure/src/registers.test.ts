import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { pcrIndex, pcrName } from "./event.ts";
import { phasePaths } from "./phases.ts";
import { extend, initialValue, replay } from "./registers.ts";

const dstack = join(import.meta.dirname, "../../../../shared/vectors/eventlogs/dstack");
const event = (pcr: number, sha256: string) => ({ register: pcrName(pcr), digests: { sha256 } });

describe("replay", () => {
  // SHA-256 of four zero bytes, extended once: what PCR 2, 3 and 6 of every OVMF machine hold.
  const separator = "df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119";
  const afterSeparator = "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969";

  it("gives what machines hold after a separator", () => {
    expect(replay([event(2, separator), event(3, separator)], { banks: ["sha256"] })).toEqual({
      sha256: { 2: afterSeparator, 3: afterSeparator },
    });
  });

  it("has registers that nothing extends where they are asked for, at zero", () => {
    expect(replay([], { banks: ["sha1", "sha384"], pcrs: [12] })).toEqual({
      sha1: { 12: "0".repeat(40) },
      sha384: { 12: "0".repeat(96) },
    });
  });

  it.skipIf(!existsSync(dstack))("gives the RTMRs of a real TDX quote from its log", () => {
    const report = JSON.parse(readFileSync(join(dstack, "quote-report.json"), "utf8")) as { event_log: string };
    const log = (typeof report.event_log === "string" ? JSON.parse(report.event_log) : report.event_log) as {
      imr: number;
      digest: string;
    }[];
    const expected = JSON.parse(readFileSync(join(dstack, "expected.json"), "utf8")) as Record<
      string,
      { quote: { rtmr: string[] } }
    >;
    const registers = [0, 1, 2, 3].map((rtmr) =>
      log
        .filter(({ imr }) => imr === rtmr)
        .reduce((value, { digest }) => extend("sha384", value, Buffer.from(digest, "hex")), initialValue("sha384")),
    );
    expect(log).toHaveLength(28);
    expect(registers.map((value) => value.toString("hex"))).toEqual(expected["quote-report.json"]?.quote.rtmr);
  });

  it.each([-1, 24, 1.5, Number.NaN])("has no PCR %f", (index) => {
    expect(() => pcrIndex(index)).toThrow("expected a PCR index 0..23");
  });
});

describe("phasePaths", () => {
  it("has one path for each moment of a boot", () => {
    expect(phasePaths(["enter-initrd", "sysinit", "ready"])).toEqual([
      "",
      "enter-initrd",
      "enter-initrd:sysinit",
      "enter-initrd:sysinit:ready",
    ]);
    expect(phasePaths([])).toEqual([""]);
  });
});
