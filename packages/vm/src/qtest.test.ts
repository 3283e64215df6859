import { duplexPair } from "node:stream";
import { describe, expect, it } from "vitest";
import { connectQtest } from "./qtest.ts";

function qtestThatSays(answers: Readonly<Record<string, string>>) {
  const [near, far] = duplexPair();
  far.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.split("\n").filter(Boolean)) far.write(`${answers[line] ?? "FAIL Unknown command"}\n`);
  });
  return connectQtest(near);
}

describe("connectQtest", () => {
  const memory = qtestThatSays({
    "readl 0xfed40044": "OK 0x0000000080000002",
    "writel 0xfed4004c 0x1": "IRQ raise 4\nOK",
    "read 0x10 0x3": "OK 0x00aaff",
    "write 0x10 0x2 0x8001": "OK",
    "read 0x20 0x4": "OK 0x00",
  });

  it("reads and writes", async () => {
    expect(await memory.readU32(0xfed40044)).toBe(0x80000002);
    await memory.writeU32(0xfed4004c, 1);
    expect((await memory.read(0x10, 3)).toString("hex")).toBe("00aaff");
    await memory.write(0x10, Buffer.from("8001", "hex"));
  });

  it("refuses what QEMU refuses, and answers that are too short", async () => {
    await expect(memory.readU32(0)).rejects.toMatchObject({ code: "evidence" });
    await expect(memory.read(0x20, 4)).rejects.toThrow("expected 4 bytes");
  });
});
