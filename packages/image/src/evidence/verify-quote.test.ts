import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import { afterAll, describe, expect, it } from "vitest";
import type { PlatformMeasurements } from "../measurements.ts";
import { makeProject } from "../project.fixture.ts";
import { digestOf, fold, makeLog, makeMeasurements, publishedEvents, type ShortEvent } from "./evidence.fixture.ts";
import { verifyQuote } from "./verify-quote.ts";

const project = makeProject({});
afterAll(() => project[Symbol.dispose]());

const event = (register: ShortEvent["register"], byte: string): ShortEvent => ({ register, byte, type: 13 });
const logged = [event("pcr4", "44"), event("pcr11", "aa"), event("pcr11", "bb")];
const all: ShortEvent[] = [...logged, { register: "pcr11", byte: "e1" }, { register: "pcr11", byte: "e2" }];
const pcr4 = fold(all, "pcr4");
const pcr11 = (events: readonly ShortEvent[]) => fold(events, "pcr11");
const published: Partial<PlatformMeasurements> = {
  registers: { pcr: { sha256: { 4: pcr4, 11: pcr11(all) } } },
  phases: { sha256: { "": pcr11(logged), one: pcr11(all.slice(0, -1)), "one:two": pcr11(all) } },
  events: publishedEvents(all),
};

/** A TPMS_ATTEST over PCR 4 and 11 of SHA-256. @see TPM 2.0 Library, Part 2, "TPMS_ATTEST" */
function quoteOf(...values: string[]): Buffer {
  const digest = createHash("sha256")
    .update(Buffer.from(values.join(""), "hex"))
    .digest();
  const head = "ff54434780180000000000000000000000000000000100000000010000000000000003";
  return Buffer.concat([Buffer.from(`${head}00000001000b03100800`, "hex"), Buffer.of(0, 32), digest]);
}

/** The same over more PCRs: 0, 4 and 11. */
function widerQuoteOf(...values: string[]): Buffer {
  const quote = quoteOf(...values);
  quote[quote.length - 37] = 0x11;
  return quote;
}

interface Options {
  pcrs?: object;
  log?: Buffer;
  platform?: Partial<PlatformMeasurements>;
}

function verify(evidence: Buffer, { pcrs, log, platform = published }: Options = {}) {
  project.write("measurements.json", JSON.stringify(makeMeasurements(platform)));
  project.write("pcrs.json", JSON.stringify({ sha256: pcrs }));
  writeFileSync(join(project.path, "evidence"), evidence);
  if (log) writeFileSync(join(project.path, "log"), log);
  const request = {
    evidence: "evidence",
    published: { image: "measurements.json" },
    ...(pcrs && { pcrs: "pcrs.json" }),
    ...(log && { log: { path: "log" } }),
  };
  return verifyQuote(request, project.surroundings);
}

describe("verifyQuote", () => {
  it("finds the published values behind a digest, without being told", () => {
    const report = verify(quoteOf(pcr4, pcr11(all)));
    expect(report).toMatchObject({ agrees: true, kind: "tpm-quote", unresolved: [], missing: [] });
    expect(report.registers.map(({ register, verdict }) => [register, verdict])).toEqual([
      ["pcr4", "equal"],
      ["pcr11", "equal"],
    ]);
    expect(report.unchecked).not.toHaveLength(0);
  });

  it("finds the phase that a boot had reached behind a digest", () => {
    const report = verify(quoteOf(pcr4, pcr11(all.slice(0, -1))));
    expect(report.agrees).toBe(false);
    expect(report.registers[1]).toMatchObject({ verdict: "differs", reachedPhase: "one" });
  });

  it("does not know which register differs behind a digest that is of no known values", () => {
    expect(verify(quoteOf(pcr4, digestOf("00")))).toMatchObject({ agrees: false, unresolved: ["sha256:4,11"] });
  });

  it("knows it from the log that leads to the digest", () => {
    const real = [event("pcr4", "45"), ...logged.slice(1)];
    const platform = { ...published, registers: { pcr: { sha256: { 4: pcr4, 9: digestOf("99"), 11: pcr11(all) } } } };
    const report = verify(quoteOf(fold(real, "pcr4"), pcr11(all)), { log: makeLog(real), platform });
    expect(report).toMatchObject({ agrees: false, unresolved: [], log: { agreement: { agrees: true } } });
    expect(report.registers.map(({ verdict }) => verdict)).toEqual(["differs", "equal"]);
    expect(report.log?.registers.map(({ register }) => register)).toEqual(["pcr4", "pcr11"]);
    expect(report.log?.registers[0]?.difference).toMatchObject({
      kind: "changed",
      predicted: { source: { file: "file-44", package: "linux" } },
      real: { digests: { sha256: digestOf("45") } },
    });
  });

  it("takes registers that were not published from the log, and says why they were not", () => {
    const platform = { ...published, unpredicted: [{ register: "pcr0", reason: "the host's" }] };
    const log = makeLog([event("pcr0", "0f"), ...logged]);
    const quote = widerQuoteOf(fold([event("pcr0", "0f")], "pcr0"), pcr4, pcr11(all));
    const report = verify(quote, { log, platform });
    expect(report.agrees).toBe(true);
    expect(report.registers[0]).toMatchObject({ register: "pcr0", verdict: "unpublished", reason: "the host's" });
    expect(() => verify(quote, { platform })).toThrow(
      expect.objectContaining({
        code: "no-evidence",
        message: expect.stringContaining("values of sha256:0,") as string,
      }),
    );
  });

  it("holds values that come with a quote against its digest", () => {
    const values = { 4: pcr4, 11: pcr11(all) };
    expect(verify(quoteOf(pcr4, pcr11(all)), { pcrs: values }).agrees).toBe(true);
    const report = verify(quoteOf(pcr4, digestOf("00")), { pcrs: values });
    expect(report).toMatchObject({ agrees: false, checks: [{ holds: false }] });
  });

  it("does not take another machine's log", () => {
    const log = makeLog([event("pcr4", "45"), ...logged.slice(1)]);
    expect(verify(quoteOf(pcr4, pcr11(all)), { log })).toMatchObject({
      agrees: false,
      log: { agreement: { agrees: false } },
    });
  });

  it("tries every value that a register may have", () => {
    const alternatives = [
      { register: "pcr4", values: [{ sha256: digestOf("01") }, { sha256: digestOf("02") }], reason: "the boot" },
    ] as PlatformMeasurements["alternatives"] & object;
    const platform = { ...published, registers: { pcr: { sha256: { 11: pcr11(all) } } }, alternatives };
    for (const byte of ["01", "02"])
      expect(verify(quoteOf(digestOf(byte), pcr11(all)), { platform }).agrees).toBe(true);
    expect(verify(quoteOf(digestOf("03"), pcr11(all)), { platform }).agrees).toBe(false);
    const pcrs = { 4: digestOf("02"), 11: pcr11(all) };
    expect(verify(quoteOf(digestOf("02"), pcr11(all)), { platform, pcrs }).agrees).toBe(true);
  });

  it("does not pass a quote that leaves out a PCR that was published", () => {
    const platform = { ...published, registers: { pcr: { sha256: { 4: pcr4, 9: digestOf("99"), 11: pcr11(all) } } } };
    expect(verify(quoteOf(pcr4, pcr11(all)), { platform })).toMatchObject({ agrees: false, missing: ["pcr9"] });
  });

  it("lists what was published of another kind", () => {
    const pcr = { sha256: { 4: pcr4, 11: pcr11(all) } };
    const platform = { ...published, registers: { pcr, launchDigest: "11".repeat(48) } };
    expect(verify(quoteOf(pcr4, pcr11(all)), { platform })).toMatchObject({
      agrees: true,
      missing: [],
      notCovered: ["launchDigest"],
    });
  });

  it("refuses to compare what was measured for other machines", () => {
    const platform = { ...published, registers: { pcr: {}, launchDigest: "11".repeat(48) } };
    expect(() => verify(quoteOf(pcr4, pcr11(all)), { platform })).toThrow(CvmError);
    expect(() => verify(quoteOf(pcr4, pcr11(all)), { platform })).toThrow("expected one, got none that fits");
  });
});
