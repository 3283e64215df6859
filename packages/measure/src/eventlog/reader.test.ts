import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { FormatError, type HashAlgorithm, HASH_ALGORITHMS } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeEvent, dumpEventLog } from "./dump.ts";
import { makeLog, makeSha1Log } from "./eventlog.fixture.ts";
import { type EventLog, readEventLog } from "./reader.ts";
import { withoutRepeats } from "./repeats.ts";
import { type CcMrIndex, isCcel, replayCcel, replayLog, rtmrOf } from "./replay.ts";

const vectors = join(import.meta.dirname, "../../../../../shared/vectors");

/** What `expected.json` says of a log. */
interface ExpectedLog {
  used_bytes: number;
  format: "tcg1.2" | "tcg2" | "ccel";
  algorithms: HashAlgorithm[];
  events: number;
  pcrs?: Record<string, Record<string, string>>;
  rtmr?: Record<string, string>;
  /** What the machine's own registers held; `pcrs` is a replay. */
  truth?: Record<string, Record<string, string> | string>;
  tpm2_eventlog_agrees?: boolean;
}

const read = (path: string): Buffer => {
  const bytes = readFileSync(path);
  return path.endsWith(".gz") ? gunzipSync(bytes) : bytes;
};

/** Logs of a folder of vectors that are there, each with what is expected of it. */
function logs(): [string, string, ExpectedLog][] {
  const folder = join(vectors, "eventlogs");
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((origin) => {
    const expected = JSON.parse(readFileSync(join(folder, origin, "expected.json"), "utf8")) as Record<
      string,
      ExpectedLog
    >;
    return Object.entries(expected).flatMap(([name, log]): [string, string, ExpectedLog][] => {
      const path = [name, `${name}.gz`].map((file) => join(folder, origin, file)).find((file) => existsSync(file));
      return path === undefined || log.format === undefined ? [] : [[`${origin}/${name}`, path, log]];
    });
  });
}

describe.skipIf(!existsSync(vectors))("readEventLog on logs of real machines", () => {
  const all = logs();

  it("has them all, with those of which tpm2_eventlog says something else", () => {
    expect(all.length).toBe(24);
    expect(all.filter(([, , { tpm2_eventlog_agrees: agrees }]) => agrees === false).length).toBeGreaterThanOrEqual(1);
  });

  it.each(all)("%s", (_, path, expected) => {
    const log = readEventLog(read(path));
    expect(log.usedBytes).toBe(expected.used_bytes);
    expect(log.format).toBe(expected.format === "tcg1.2" ? "sha1" : "crypto-agile");
    expect(log.algorithms).toEqual(expected.algorithms);
    // The count of the vectors leaves out the record that names the algorithms, as `events` does.
    expect([expected.events, expected.events - 1]).toContain(log.events.length);
    expect(isCcel(log)).toBe(expected.format === "ccel");
    if (expected.format === "ccel") {
      expect(replayCcel(log)).toEqual(expected.rtmr);
      for (const [index, value] of Object.entries(replayCcel(log))) {
        if (expected.truth) expect(expected.truth[index]).toBe(value);
      }
      return;
    }
    const registers = replayLog(log);
    expect(registers).toEqual(expected.pcrs);
    for (const [bank, truth] of Object.entries(expected.truth ?? {})) {
      expect(registers[bank as HashAlgorithm]).toMatchObject(truth as Record<string, string>);
    }
  });
});

describe.skipIf(!existsSync(vectors))("readEventLog on damaged logs of real machines", () => {
  it.each(logs())("%s gives a log or a FormatError", (_, path) => {
    const original = read(path);
    const mutation = fc.tuple(fc.nat(Math.min(original.length, 1 << 15) - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        const bytes = Buffer.from(original);
        for (const [offset, value] of mutations) bytes[offset] = value;
        try {
          const log = readEventLog(bytes);
          dumpEventLog(log);
          replayCcel(log);
          replayLog(log);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1, numRuns: 40 },
    );
  });
});

describe.skipIf(!existsSync(vectors))("readEventLog on boots under QEMU", () => {
  const folder = join(vectors, "qemu-boots");
  const runs = existsSync(folder)
    ? (JSON.parse(readFileSync(join(folder, "runs.json"), "utf8")) as {
        name: string;
        log: { file: string; events: number };
        pcrs: Record<HashAlgorithm, Record<string, string>>;
      }[])
    : [];

  it.each(runs.map((run) => [run.name, run] as const))("%s replays to the TPM's registers", (_, run) => {
    const log = readEventLog(read(join(folder, run.log.file)));
    expect(log.algorithms).toEqual(HASH_ALGORITHMS);
    const registers = replayLog(log);
    for (const bank of HASH_ALGORITHMS) {
      // IMA extends PCR 10 without the firmware's log.
      const replayed = Object.entries(registers[bank] ?? {}).filter(([pcr]) => pcr !== "10");
      expect(replayed.length).toBeGreaterThanOrEqual(8);
      expect(run.pcrs[bank]).toMatchObject(Object.fromEntries(replayed));
    }
  });

  it.each(runs.map((run) => [run.name, run] as const))("%s is described as its decoder did", (_, run) => {
    const log = readEventLog(read(join(folder, run.log.file)));
    const events = JSON.parse(readFileSync(join(folder, run.log.file.replace(".log.gz", ".events.json")), "utf8")) as {
      pcr: number;
      type: string;
      desc: string;
      sha256?: string;
    }[];
    expect(log.events.map(({ register, typeName, digests }) => [register, typeName, digests.sha256])).toEqual(
      events.map(({ pcr, type, sha256 }) => [pcr, type, sha256]),
    );
    for (const [index, event] of log.events.entries()) {
      const told = events[index]?.desc ?? "";
      if (["EV_EFI_ACTION", "EV_EVENT_TAG", "EV_SEPARATOR"].includes(event.typeName)) {
        expect(describeEvent(event)).toBe(told);
      }
      if (event.typeName.startsWith("EV_EFI_VARIABLE")) expect(told.startsWith(`${describeEvent(event)} (`)).toBe(true);
      if (event.typeName === "EV_EFI_BOOT_SERVICES_APPLICATION") expect(told.endsWith(describeEvent(event))).toBe(true);
    }
  });
});

describe("readEventLog", () => {
  const digests = { sha1: "11".repeat(20), sha256: "22".repeat(32) };
  const log = () =>
    makeLog([
      { register: 0, eventType: 3, data: Buffer.from("StartupLocality\0\x03", "latin1"), digests },
      { register: 4, eventType: 0x8000_0007, data: Buffer.from("Calling EFI Application from Boot Option"), digests },
      { register: 11, eventType: 13, data: Buffer.from(".linux\0", "utf16le"), digests },
      { register: 9, eventType: 0x77, data: Buffer.alloc(0), digests },
    ]);

  it("shows a log line by line", () => {
    expect(dumpEventLog(readEventLog(log()))).toBe(
      [
        " 0 EV_NO_ACTION 2222222222222222",
        " 4 EV_EFI_ACTION 2222222222222222 Calling EFI Application from Boot Option",
        "11 EV_IPL 2222222222222222 .linux",
        " 9 0x77 2222222222222222",
        "",
      ].join("\n"),
    );
  });

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["zeros", Buffer.alloc(100)],
    ["0xff", Buffer.alloc(100, 0xff)],
    ["a few zeros", Buffer.alloc(3)],
    ["a few 0xff", Buffer.alloc(5, 0xff)],
  ])("stops at %s after the last record", (_, padding) => {
    const bytes = log();
    const decoded = readEventLog(Buffer.concat([bytes, padding]));
    expect(decoded.events).toHaveLength(4);
    expect(decoded.usedBytes).toBe(bytes.length);
  });

  it.each([
    ["SHA-1", makeSha1Log, { digest: "00".repeat(20) }],
    ["crypto-agile", makeLog, { digests: { sha1: "00".repeat(20), sha256: "00".repeat(32) } }],
  ])("passes over what a %s log has of no register, and goes on behind it", (_, make, digest) => {
    const ofNone = { register: 0xffff_ffff, eventType: 3, data: Buffer.from("Windows AIK", "utf16le"), ...digest };
    const separator = { register: 5, eventType: 4, data: Buffer.alloc(4), ...digest };
    const bytes = make([ofNone, separator, ofNone] as never[]);
    const decoded = readEventLog(bytes);
    expect(decoded.events.map(({ register }) => register)).toEqual([5]);
    expect(decoded.usedBytes).toBeLessThan(bytes.length);
    expect(() => readEventLog(bytes.subarray(0, -2))).toThrow(FormatError);
  });

  it("counts the first record of a SHA-1 log, which is an event like any other", () => {
    const bytes = makeSha1Log([{ register: 0, eventType: 8, digest: "33".repeat(20), data: Buffer.from("1") }]);
    const decoded = readEventLog(bytes);
    expect(decoded).toMatchObject({ format: "sha1", algorithms: ["sha1"] });
    expect(decoded.events.map(({ digests: { sha1 } }) => sha1)).toEqual(["33".repeat(20)]);
  });

  it("skips digests of algorithms that it does not know by their declared size", () => {
    const sm3 = { id: 0x12, sizeBytes: 32 };
    const bytes = makeLog([{ register: 1, eventType: 4, data: Buffer.alloc(4), digests, unknown: [sm3] }], [sm3]);
    expect(readEventLog(bytes).events[0]?.digests).toEqual(digests);
  });

  it.each<[string, Buffer, string]>([
    ["nothing", Buffer.alloc(0), "TCG_PCClientPCREvent"],
    [
      "the table that says where a CCEL is",
      Buffer.from(`CCEL8\0\0\0${"\0".repeat(48)}`),
      "got the ACPI table that says where it is",
    ],
    ["a cut first record", log().subarray(0, 40), "a record that ends within 40 bytes"],
    ["a cut record", log().subarray(0, -2), "a record that ends within"],
    ["no algorithm", makeLog([], [], 0), "TCG_EfiSpecIdEvent.algorithmCount: expected 1..16, got 0"],
    ["a million algorithms", makeLog([], [], 1_000_000), "expected 1..16, got 1000000"],
    ["algorithms beyond the record", makeLog([], [], 9), "TCG_EfiSpecIdEventAlgorithmSize at 0x"],
    ["a wrong digest size", makeLog([], [{ id: 12, sizeBytes: 20 }]), "expected 48 bytes for sha384, got 20"],
    [
      "an algorithm that was not declared",
      makeLog([
        { register: 1, eventType: 4, data: Buffer.alloc(4), digests: {}, unknown: [{ id: 13, sizeBytes: 64 }] },
      ]),
      "expected an algorithm that the log declares, got 0xd",
    ],
    [
      "more digests than algorithms",
      makeLog([{ register: 1, eventType: 4, data: Buffer.alloc(4), digests, unknown: [{ id: 4, sizeBytes: 20 }] }]),
      "expected at most the 2 algorithms that the log declares, got 3",
    ],
    ["more than any machine logs", Buffer.alloc((1 << 24) + 1), "expected at most 16777216 bytes"],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readEventLog(bytes)).toThrow(FormatError);
    expect(() => readEventLog(bytes)).toThrow(message);
  });

  it("starts PCR 0 from the locality that the log tells, even where nothing extends it", () => {
    const startup = { register: 0, eventType: 3, data: Buffer.from("StartupLocality\0\x03", "latin1"), digests };
    const start = (digits: number) => `${"0".repeat(digits - 1)}3`;
    expect(replayLog(readEventLog(makeLog([startup])))).toEqual({ sha1: { 0: start(40) }, sha256: { 0: start(64) } });
    expect(replayLog(readEventLog(makeLog([])))).toEqual({ sha1: {}, sha256: {} });
  });

  it("drops a run of events that is there twice where the registers say so", () => {
    const event = (register: number, byte: string) => ({
      register,
      eventType: 4,
      data: Buffer.alloc(4),
      digests: { sha1: byte.repeat(20), sha256: byte.repeat(32) },
    });
    const [a, b, c, d] = [event(4, "aa"), event(5, "bb"), event(5, "cc"), event(9, "dd")];
    const real = replayLog(readEventLog(makeLog([a, a, b, c, d])));
    const isRight = (candidate: EventLog) => JSON.stringify(replayLog(candidate)) === JSON.stringify(real);
    const logged = readEventLog(makeLog([a, a, b, c, b, c, d]));
    expect(withoutRepeats(logged, isRight)?.events.map(({ digests: { sha1 } }) => sha1?.slice(0, 2))).toEqual([
      ...["aa", "aa", "bb", "cc", "dd"],
    ]);
    expect(withoutRepeats(readEventLog(makeLog([a, b, c, d])), isRight)).toBeUndefined();
    expect(withoutRepeats(logged, () => false)).toBeUndefined();
  });

  it("refuses a PCR that no TPM has when it replays", () => {
    const bytes = makeLog([{ register: 24, eventType: 4, data: Buffer.alloc(4), digests }]);
    expect(() => replayLog(readEventLog(bytes))).toThrow(FormatError);
  });

  it("tells RTMR indexes from CC measurement register indexes", () => {
    expect([0, 1, 4, 5].map((index) => rtmrOf(index as CcMrIndex))).toEqual([undefined, 0, 3, undefined]);
  });

  it("gives a log or a FormatError for mutated bytes", () => {
    const original = log();
    const mutation = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 8 }), fc.nat(original.length), (mutations, cut) => {
        const bytes = Buffer.from(original.subarray(0, cut % 2 === 0 ? cut : original.length));
        for (const [offset, value] of mutations) if (offset < bytes.length) bytes[offset] = value;
        try {
          const decoded = readEventLog(bytes);
          expect(dumpEventLog(decoded).split("\n")).toHaveLength(decoded.events.length + 1);
          replayLog(decoded);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1, numRuns: 3000 },
    );
  });
});
