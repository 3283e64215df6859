import { spawn, type StdioOptions } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { Scratch } from "./scratch.ts";

const folder = mkdtempSync(join(tmpdir(), "cvm-vm-scratch-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A zombie is gone too: in a container without an init nobody reaps it. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, "utf8"));
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !condition(); tries++) await sleep(50);
  expect(condition()).toBe(true);
}

describe("Scratch", () => {
  it("ends its processes and removes its directory", async () => {
    let directory: string;
    let stubborn: number;
    {
      await using scratch = await Scratch.create(folder);
      directory = scratch.directory;
      const process = scratch.start("/bin/sh", {
        args: ["-c", "trap '' TERM; echo ready; echo oops >&2; while :; do sleep 0.1; done"],
        stdio: ["ignore", "pipe", "pipe"],
        session: "own",
      });
      stubborn = process.child.pid ?? 0;
      await new Promise((done) => process.child.stdout?.once("data", done));
      await until(() => process.diagnostics() === "oops\n");
    }
    expect(existsSync(directory)).toBe(false);
    await until(() => !isAlive(stubborn));
  });

  it("says how a process ended, and that a program is not there", async () => {
    await using scratch = await Scratch.create(folder);
    const stdio: StdioOptions = ["ignore", "ignore", "pipe"];
    const options = { stdio, session: "own" as const };
    expect(await scratch.start("/bin/sh", { args: ["-c", "exit 3"], ...options }).exited).toEqual({ status: 3 });
    expect(await scratch.start("/bin/sh", { args: ["-c", "kill -9 $$"], ...options }).exited).toEqual({
      signal: "SIGKILL",
    });
    const missing = scratch.start("/nonexistent", { args: [], ...options });
    expect(await missing.exited).toEqual({ status: 127 });
    expect(missing.diagnostics()).toContain("ENOENT");
  });

  it.each(["SIGKILL", "SIGTERM", "SIGINT"] as const)(
    "leaves nothing behind when its owner ends by %s",
    async (signal) => {
      const program = `
      import { Scratch } from ${JSON.stringify(new URL("./scratch.ts", import.meta.url).href)};
      const scratch = await Scratch.create(${JSON.stringify(folder)});
      const short = scratch.start("/bin/true", { args: [], stdio: "ignore", session: "own" });
      await short.exited;
      const long = scratch.start("/bin/sleep", { args: ["1000"], stdio: "ignore", session: "own" });
      console.log(JSON.stringify({ directory: scratch.directory, pid: long.child.pid }));
      setInterval(() => {}, 1000);
    `;
      const owner = spawn(process.execPath, ["--input-type=module", "-e", program], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const line = await new Promise<string>((done) => owner.stdout.once("data", (data) => done(String(data))));
      const { directory, pid } = JSON.parse(line) as { directory: string; pid: number };
      expect(existsSync(directory)).toBe(true);
      expect(isAlive(pid)).toBe(true);
      owner.kill(signal);
      await until(() => !existsSync(directory));
      await until(() => !isAlive(pid));
    },
  );
});
