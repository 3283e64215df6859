import { duplexPair } from "node:stream";
import { describe, expect, it } from "vitest";
import { connectQmp, type QmpEvent } from "./qmp.ts";

const GREETING = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}\r\n`;

/** A QEMU that answers each command with the next of `answers`. */
function qemuThatSays(answers: readonly string[]) {
  const [near, far] = duplexPair();
  const received: string[] = [];
  const left = [...answers];
  far.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.split("\n").filter(Boolean)) {
      received.push(line);
      const answer = left.shift();
      if (answer === undefined) far.destroy();
      else far.write(answer);
    }
  });
  far.write(GREETING);
  return { near, received };
}

describe("connectQmp", () => {
  it("negotiates, executes and hands events on", async () => {
    const events: QmpEvent[] = [];
    const stop = `{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"}\r\n{"return": {}}\r\n`;
    const { near, received } = qemuThatSays([`{"return": {}}\r\n`, stop, `{"return": {"status": "paused"}}\r\n`]);
    const qmp = await connectQmp(near, (event) => events.push(event));
    expect(qmp.qemuVersion).toBe("7.2.22");
    await qmp.execute("stop");
    expect(await qmp.execute("query-status")).toEqual({ status: "paused" });
    expect(events).toEqual([{ event: "STOP", data: {} }]);
    expect(received).toEqual([`{"execute":"qmp_capabilities"}`, `{"execute":"stop"}`, `{"execute":"query-status"}`]);
  });

  it("gives QEMU's own words where it refuses", async () => {
    const refusal = `{"error": {"class": "GenericError", "desc": "Could not open 'x'"}}\r\n`;
    const qmp = await connectQmp(qemuThatSays([`{"return": {}}\r\n`, refusal]).near, () => {});
    await expect(qmp.execute("pmemsave", { val: 0 })).rejects.toThrow(
      `cannot execute QMP command "pmemsave": expected a result, got "Could not open 'x'"`,
    );
  });

  it("fails every command once QEMU is gone", async () => {
    const qmp = await connectQmp(qemuThatSays([`{"return": {}}\r\n`]).near, () => {});
    await expect(qmp.execute("stop")).rejects.toMatchObject({ code: "boot-failed" });
    await expect(qmp.execute("stop")).rejects.toMatchObject({ code: "boot-failed" });
  });

  it("survives text that is no JSON", async () => {
    const [near, far] = duplexPair();
    far.write("qemu: cannot do that\n");
    await expect(connectQmp(near, () => {})).rejects.toMatchObject({ code: "boot-failed" });
  });
});
