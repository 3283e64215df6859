import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CvmError, FormatError } from "@cvm-build/bytes";
import { afterAll, describe, expect, it } from "vitest";
import type { PlatformMeasurements } from "../measurements.ts";
import { makeProject } from "../project.fixture.ts";
import { digestOf, fold, makeLog, makeMeasurements, publishedEvents, type ShortEvent } from "./evidence.fixture.ts";
import { verifyLog } from "./verify-log.ts";

const project = makeProject({});
afterAll(() => project[Symbol.dispose]());

const event = (register: ShortEvent["register"], byte: string): ShortEvent => ({ register, byte, type: 13 });
const logged = [event("pcr4", "44"), event("pcr11", "aa"), event("pcr11", "bb"), event("pcr11", "cc")];
const userspace: ShortEvent[] = [
  { register: "pcr11", byte: "e1" },
  { register: "pcr11", byte: "e2" },
];
const all = [...logged, ...userspace];
const pcr11 = (events: readonly ShortEvent[]) => fold(events, "pcr11");
const zero = "0".repeat(64);
const atEnd = { 4: fold(all, "pcr4"), 11: pcr11(all), 12: zero };

/** What was published: all events, with two phases after them, and PCR 12 that nothing extends. */
const published: Partial<PlatformMeasurements> = {
  registers: { pcr: { sha256: atEnd } },
  phases: { sha256: { "": pcr11(logged), one: pcr11(all.slice(0, -1)), "one:two": pcr11(all) } },
  events: publishedEvents(all),
};

interface Options {
  platforms?: Partial<PlatformMeasurements>[];
  pcrs?: object;
  platform?: string;
  kind?: "tpm" | "ccel";
}

function verify(log: Buffer, { platforms = [published], pcrs, platform, kind }: Options = {}) {
  project.write("measurements.json", JSON.stringify(makeMeasurements(...platforms)));
  project.write("pcrs.json", JSON.stringify({ sha256: pcrs }));
  writeFileSync(join(project.path, "log"), log);
  const request = {
    log: { path: "log", ...(kind && { kind }) },
    published: { image: project.path, ...(platform !== undefined && { platform }) },
    ...(pcrs && { pcrs: "pcrs.json" }),
  };
  return verifyLog(request, project.surroundings);
}

const of = (report: ReturnType<typeof verify>, register: string) =>
  report.registers.find((each) => each.register === register);

describe("verifyLog", () => {
  it("compares at the log's end, before what userspace extends", () => {
    const report = verify(makeLog(logged));
    expect(report).toMatchObject({ agrees: true, kind: "tpm", platform: "test" });
    expect(report.registers.map(({ register, equal }) => [register, equal])).toEqual([
      ["pcr4", true],
      ["pcr11", true],
      ["pcr12", true],
    ]);
    expect(report.agreement).toBeUndefined();
  });

  it("compares at the boot's end where the machine's registers are given", () => {
    expect(verify(makeLog(logged), { pcrs: atEnd })).toMatchObject({ agrees: true, agreement: { agrees: true } });
  });

  it("says how far a boot came that did not reach its end", () => {
    const report = verify(makeLog(logged), { pcrs: { ...atEnd, 11: pcr11(all.slice(0, -1)) } });
    expect(report).toMatchObject({ agrees: false, agreement: { agrees: true } });
    expect(of(report, "pcr11")).toMatchObject({ equal: false, reachedPhase: "one" });
    expect(of(report, "pcr11")?.difference).toBeUndefined();
  });

  it.each([
    ["changed", [logged[0], logged[1], event("pcr11", "dd"), logged[3]], 1, "bb", "dd"],
    ["missing", [logged[0], logged[1], logged[3]], 1, "bb", "cc"],
    ["missing", logged.slice(0, 3), 2, "cc", undefined],
    ["extra", [...logged.slice(0, 2), event("pcr11", "dd"), ...logged.slice(2)], 1, "bb", "dd"],
    ["extra", [...logged, event("pcr11", "dd")], 3, undefined, "dd"],
  ] as const)(
    "names an event that is %s, where it is from and what is in its place",
    (kind, events, index, ours, real) => {
      const report = verify(makeLog(events as readonly ShortEvent[]));
      expect(report.agrees).toBe(false);
      expect(of(report, "pcr4")?.equal).toBe(true);
      const { difference } = of(report, "pcr11") ?? {};
      expect(difference).toMatchObject({ kind, index });
      expect(difference?.predicted?.source).toEqual(
        ours && { file: `file-${ours}`, package: "linux", setting: "Content.Kernel" },
      );
      expect(difference?.predicted?.digests.sha256).toBe(ours && digestOf(ours));
      expect(difference?.real?.digests.sha256).toBe(real && digestOf(real));
    },
  );

  it("sees a register that should be at its start", () => {
    const report = verify(makeLog([...logged, event("pcr12", "12")]));
    expect(of(report, "pcr12")).toMatchObject({ equal: false, difference: { kind: "extra", index: 0 } });
  });

  it("leaves out events that the log holds twice and the registers once", () => {
    const report = verify(makeLog([...logged, ...logged.slice(2)]), { pcrs: atEnd });
    expect(report).toMatchObject({ agrees: true, agreement: { repeatedEvents: 2 } });
    // Without registers nobody can tell.
    expect(verify(makeLog([...logged, ...logged.slice(2)])).agrees).toBe(false);
  });

  it("tells registers that the log leaves open, and those to which it does not lead", () => {
    const found = { ...atEnd, 4: digestOf("00"), 9: digestOf("99"), 15: zero, 17: "f".repeat(64) };
    expect(verify(makeLog(logged), { pcrs: found }).agreement).toMatchObject({ agrees: false, unlogged: ["pcr9"] });
  });

  it("takes any of the values that a register may have", () => {
    const alternatives = [
      {
        register: "pcr5",
        values: [{ sha256: fold([event("pcr5", "51")], "pcr5") }, { sha256: digestOf("55") }],
        reason: "",
      },
    ] as PlatformMeasurements["alternatives"] & object;
    const platforms = [{ ...published, alternatives }];
    const report = (byte: string) => verify(makeLog([...logged, event("pcr5", byte)]), { platforms });
    expect(report("51").agrees).toBe(true);
    expect(report("52").agrees).toBe(false);
    expect(verify(makeLog(logged), { platforms, pcrs: { ...atEnd, 5: digestOf("55") } }).agrees).toBe(true);
  });

  it("reads a TD's log, told from its content or by name", () => {
    const events = [event("rtmr0", "00"), event("rtmr2", "22")];
    const rtmr = { 0: fold(events, "rtmr0", "sha384"), 2: fold(events, "rtmr2", "sha384"), 3: "0".repeat(96) };
    const td = { name: "td", registers: { pcr: {}, rtmr }, events: publishedEvents(events, "sha384") };
    const log = makeLog(events, "sha384");
    expect(verify(log, { platforms: [published, td] })).toMatchObject({ agrees: true, kind: "ccel", platform: "td" });
    expect(verify(log, { platforms: [td], kind: "ccel" }).agrees).toBe(true);
    expect(() => verify(log, { platforms: [td], kind: "tpm" })).toThrow("expected one, got none that fits");
    expect(verify(makeLog(events.slice(1), "sha384"), { platforms: [td] }).agrees).toBe(false);
  });

  it("is not verified where no bank is on both sides", () => {
    const sha1 = { sha1: { 4: "44".repeat(20) } };
    expect(verify(makeLog(logged), { platforms: [{ ...published, registers: { pcr: sha1 } }] }).agrees).toBe(false);
  });

  it("asks which platform is meant", () => {
    const platforms = [published, { ...published, name: "other" }];
    expect(() => verify(makeLog(logged), { platforms })).toThrow(CvmError);
    expect(() => verify(makeLog(logged), { platforms })).toThrow("expected one, got 2 that fit");
    expect(verify(makeLog(logged), { platforms, platform: "other" }).platform).toBe("other");
    expect(() => verify(makeLog(logged), { platform: "none" })).toThrow(
      expect.objectContaining({ code: "usage", hint: "name it with --platform; there are: test" }),
    );
  });

  it("tries every machine of a platform, and shows the one that agrees or comes closest", () => {
    const machine = (name: string, byte: string): Partial<PlatformMeasurements> => ({
      ...published,
      name,
      registers: { pcr: { sha256: { ...atEnd, 5: fold([event("pcr5", byte)], "pcr5") } } },
      events: publishedEvents([...all, event("pcr5", byte)]),
    });
    const platforms = [machine("here+1cpus", "01"), { ...machine("here+2cpus", "02") }, machine("here+3cpus", "03")];
    const report = (byte: string, platform?: string) =>
      verify(makeLog([...logged, event("pcr5", byte)]), { platforms, ...(platform !== undefined && { platform }) });
    expect(report("02")).toMatchObject({ agrees: true, platform: "here+2cpus" });
    expect(report("03", "here")).toMatchObject({ agrees: true, platform: "here+3cpus" });
    expect(report("03", "here+1cpus")).toMatchObject({ agrees: false, platform: "here+1cpus" });
    expect(report("04")).toMatchObject({ agrees: false, platform: "here+1cpus" });
    expect(() => report("04", "her")).toThrow("expected one, got none that fits");
  });

  it.each([
    ["no JSON", "{", "expected JSON"],
    ["another schema", JSON.stringify({ schema: "x" }), "expected cvm-build.measurements/1, got x"],
    [
      "a digest that is none",
      JSON.stringify(makeMeasurements({ registers: { pcr: { sha256: { 4: "xyz" } } } })),
      'expected a digest of sha256, got "xyz"',
    ],
    [
      "another bank",
      JSON.stringify(makeMeasurements({ registers: { pcr: { md5: { 4: "00" } } as never } })),
      'expected one of sha1, sha256, sha384, sha512, got "md5"',
    ],
    [
      "an event without digests",
      JSON.stringify(makeMeasurements({ events: [{ register: "pcr4", label: "x", source: {} } as never] })),
      "events[0]",
    ],
  ])("refuses measurements that are %s", (_, document, message) => {
    project.write("bad.json", document);
    writeFileSync(join(project.path, "log"), makeLog(logged));
    const request = { log: { path: "log" }, published: { image: "bad.json" } };
    expect(() => verifyLog(request, project.surroundings)).toThrow(FormatError);
    expect(() => verifyLog(request, project.surroundings)).toThrow(message);
  });

  it("says which file is missing", () => {
    const request = { log: { path: "none" }, published: { image: "none" } };
    expect(() => verifyLog(request, project.surroundings)).toThrow(
      expect.objectContaining({ code: "no-file", message: expect.stringContaining('event log "none"') as string }),
    );
  });
});
