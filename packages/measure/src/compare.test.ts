import { describe, expect, it } from "vitest";
import { compareWithLog } from "./compare.ts";
import { type MeasuredEvent } from "./event.ts";
import { makeLog } from "./eventlog/eventlog.fixture.ts";
import { readEventLog } from "./eventlog/reader.ts";
import { replay } from "./registers.ts";

const digests = (byte: string) => ({ sha1: byte.repeat(20), sha256: byte.repeat(32) });
const predictedEvent = (label: string, byte: string): MeasuredEvent => ({
  register: "pcr11",
  type: "EV_IPL",
  label,
  digests: digests(byte),
  source: {},
});
const loggedEvent = (text: string, byte: string, eventType = 13) => ({
  register: 11,
  eventType,
  data: Buffer.from(`${text}\0`, "utf16le"),
  digests: digests(byte),
});

function compare(predicted: MeasuredEvent[], logged: ReturnType<typeof loggedEvent>[], realEvents = predicted) {
  const banks = ["sha1", "sha256"] as const;
  const prediction = {
    events: predicted,
    registers: { pcr: replay(predicted, { banks }) },
    phases: {},
    unpredicted: [],
    refused: [],
  };
  const evidence = { log: readEventLog(makeLog(logged)), registers: replay(realEvents, { banks }) };
  const comparison = compareWithLog(prediction, evidence);
  expect(comparison.registers.map(({ register }) => register)).toEqual(["pcr11"]);
  return { comparison, register: comparison.registers[0] };
}

describe("compareWithLog", () => {
  const linux = predictedEvent(".linux", "11");
  const osrel = predictedEvent(".osrel", "22");
  const ready = { ...predictedEvent("ready", "33"), type: undefined };

  it("is equal where values and events are, and does not look for userspace's in the log", () => {
    const { comparison, register } = compare(
      [linux, osrel, ready],
      [loggedEvent(".linux", "11"), loggedEvent("no action", "00", 3), loggedEvent(".osrel", "22")],
    );
    expect(comparison.equal).toBe(true);
    expect(register).toMatchObject({ equal: true, comparedBanks: ["sha1", "sha256"], firstDifference: undefined });
    expect(register?.events).toHaveLength(2);
  });

  it("names the first event that differs, predicted beside real", () => {
    const real = [linux, predictedEvent(".osrel", "44")];
    const { comparison, register } = compare(
      [linux, osrel],
      [loggedEvent(".linux", "11"), loggedEvent(".osrel", "44")],
      real,
    );
    expect(comparison.equal).toBe(false);
    expect(register?.differingBanks.map(({ bank }) => bank)).toEqual(["sha1", "sha256"]);
    expect(register?.firstDifference).toBe(1);
    expect(register?.events[1]).toEqual({
      predicted: { type: "EV_IPL", label: ".osrel", digests: digests("22") },
      real: { type: "EV_IPL", label: ".osrel", digests: digests("44") },
      equal: false,
    });
  });

  it.each([
    ["one event too many", [loggedEvent(".linux", "11"), loggedEvent(".osrel", "22")], [linux, osrel], 1],
    ["one too few", [], [], 0],
    ["another type", [loggedEvent(".linux", "11", 5)], [linux], 0],
  ])("sees %s", (_, logged, real, firstDifference) => {
    const { comparison, register } = compare([linux], logged, real);
    expect(comparison.equal).toBe(false);
    expect(register?.firstDifference).toBe(firstDifference);
  });

  it("is not equal where nothing could be compared", () => {
    const log = readEventLog(makeLog([loggedEvent(".linux", "11")]));
    const prediction = {
      events: [linux],
      registers: { pcr: replay([linux], { banks: ["sha256"] }) },
      phases: {},
      unpredicted: [],
      refused: [],
    };
    expect(compareWithLog(prediction, { log, registers: {} })).toMatchObject({
      equal: false,
      registers: [{ comparedBanks: [], differingBanks: [] }],
    });
  });
});
