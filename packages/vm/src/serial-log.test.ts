import { PassThrough } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { SerialLog } from "./serial-log.ts";

describe("SerialLog", () => {
  it("keeps what was written and shows its last lines to people", async () => {
    const stream = new PassThrough();
    let nowMs = 0;
    const log = new SerialLog(stream, () => nowMs);
    stream.write("\u001b[2J\u001b[01;01H\u001b[=3hBdsDxe: loading\r\n\r\n");
    stream.write(Buffer.from([0xc3]));
    await turn();
    nowMs = 40;
    stream.write(Buffer.from([0xa4]));
    stream.write("\r\nlast");
    await turn();
    nowMs = 100;
    expect(log.silentMs).toBe(60);
    expect(log.text).toContain("ä\r\nlast");
    expect(log.tail(3)).toBe("BdsDxe: loading\nä\nlast");
    expect(log.tail(1)).toBe("last");
    expect(log.lineWith("Dxe")).toBe("BdsDxe: loading");
    expect(log.lineWith("panic")).toBeUndefined();
  });

  it("forgets the oldest of a chatty guest", async () => {
    const stream = new PassThrough();
    const log = new SerialLog(stream, () => 0);
    for (let chunk = 0; chunk < 6; chunk++) {
      stream.write(`${chunk}`.repeat(1 << 20));
      await turn();
    }
    expect(log.text.length).toBe(4 << 20);
    expect(log.text[0]).toBe("2");
  });
});
