import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { boot, findTools, probeHost, type RunningBoot } from "@cvm-build/vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuildJson } from "../support/cli.ts";
import { freePort } from "../support/free-port.ts";
import { requirePeers } from "../support/peers.ts";
import { callRpc, eventually } from "./rpc.ts";

/** Carriage returns, and what bash tells a terminal about pasting and colours. */
// eslint-disable-next-line no-control-regex
const TERMINAL_CODES = /\u001b\[[?0-9;]*[a-zA-Z]|\r/g;
const PROMPT = "root@reth-node-dev:~# ";

describe.skipIf(!requirePeers("qemu-system-x86_64", "swtpm"))("the development image", () => {
  let machine: RunningBoot;
  let port: number;
  let outputDirectory: string;

  beforeAll(async () => {
    outputDirectory = mkdtempSync(join(tmpdir(), "cvm-dev-"));
    const { directory } = await cvmBuildJson<{ directory: string }>([
      ...["build", "--profile", "reth-node", "--profile", "dev"],
      ...["--set", `Output.OutputDirectory=${outputDirectory}`],
    ]);
    port = await freePort();
    const tools = await findTools({ searchPath: process.env["PATH"] ?? "" });
    machine = await boot({
      tools,
      host: await probeHost(tools, { temporaryDirectory: tmpdir() }),
      imagePath: join(directory, "reth-node-dev-anvil.efi"),
      memoryMiB: 2048,
      cpus: 1, // with two, a kernel under QEMU 7.2's emulation fails once in a dozen boots
      network: { forwards: [{ hostPort: port, guestPort: 8545 }] },
      serial: "piped",
      temporaryDirectory: tmpdir(),
    });
  });

  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]();
    rmSync(outputDirectory, { recursive: true, force: true });
  });

  it("answers eth_blockNumber on 8545, seen from the host", async () => {
    expect(await blockNumber(180)).toMatch(/^0x[0-9a-f]+$/);
  });

  it("lets one log in on the serial line", async () => {
    await machine.waitForSerial("login: ", { timeoutSec: 60 });
    machine.type("root\n");
    await machine.waitForSerial("Password: ", { timeoutSec: 60 });
    machine.type("dev\n");
    await machine.waitForSerial(PROMPT, { timeoutSec: 60 });
  });

  it("survives kill -9 of the node", async () => {
    const before = await mainPid();
    await shell(`kill -9 ${before}`);
    const after = await eventually(async () => differentFrom(before, await mainPid()), {
      what: "another process",
      timeoutSec: 60,
    });
    expect(after).not.toBe(before);
    expect(await blockNumber(60)).toMatch(/^0x/);
  });

  it("is restarted by its health check when it is frozen", async () => {
    const before = await mainPid();
    await shell(`kill -STOP ${before}`);
    await expect(callRpc(port, "eth_blockNumber", { timeoutMs: 2000 })).rejects.toThrow();
    const after = await eventually(async () => differentFrom(before, await mainPid()), {
      what: "a restart by the health check",
      timeoutSec: 120,
    });
    expect(after).not.toBe(before);
    expect(await blockNumber(60)).toMatch(/^0x/);
  });

  function blockNumber(timeoutSec: number): Promise<unknown> {
    return eventually(() => callRpc(port, "eth_blockNumber", { timeoutMs: 3000 }), {
      what: "an answer on 8545",
      timeoutSec,
    });
  }

  let commands = 0;
  /** Runs a command in the guest's shell and gives what it printed. */
  async function shell(command: string): Promise<string> {
    const mark = `mark-${++commands}`;
    machine.type(`${command}; echo ${mark.replace("-", '"-"')}\n`);
    await machine.waitForSerial(`${mark}\r\n`, { timeoutSec: 60 });
    const [before = ""] = machine.serialText().replace(TERMINAL_CODES, "").split(`${mark}\n`);
    return before.trimEnd().split("\n").at(-1) ?? "";
  }

  /** Process id of the node's service, as systemd knows it; "0" while there is none. */
  function mainPid(): Promise<string> {
    return shell("systemctl show --property=MainPID --value anvil.service");
  }
});

function differentFrom(before: string, now: string): string | undefined {
  return now !== before && now !== "0" ? now : undefined;
}
