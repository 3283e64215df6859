import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BUSYBOX_PATH, PROBE_SCRIPT } from "../../packages/rootfs/src/services/probe-script.ts";
import { debianRoot } from "../support/trixie-root.ts";
import { temporaryFolder } from "./folder-tree.ts";

const root = debianRoot("trixie", ["busybox"]);
const BODY = '{"jsonrpc":"2.0","result":"0x1"}';

describe.skipIf(!root)("the probe program under Debian's busybox", () => {
  const folder = temporaryFolder();
  const probe = join(folder.path, "probe");
  const busybox = join(folder.path, "busybox");
  let server: Server;
  let port = 0;
  let closedPort = 0;
  const requests: string[] = [];

  beforeAll(async () => {
    const libraries = join(root!.path, "usr/lib/x86_64-linux-gnu");
    const command = `${libraries}/ld-linux-x86-64.so.2 --library-path ${libraries} ${root!.path}/usr/bin/busybox`;
    writeFileSync(busybox, `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
    writeFileSync(probe, PROBE_SCRIPT.replaceAll(BUSYBOX_PATH, busybox));
    server = createServer((request, response) => {
      requests.push(`${request.method} ${request.url} ${request.headers["x-test"]}`);
      const status = Number(request.url?.slice(1));
      if (status === 0) return;
      response.writeHead(status, status === 301 ? { Location: "/200" } : {}).end(status === 204 ? "" : BODY);
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    port = (server.address() as AddressInfo).port;
    const closed = createTcpServer();
    await new Promise<void>((resolve) => void closed.listen(0, "127.0.0.1", resolve));
    closedPort = (closed.address() as AddressInfo).port;
    await new Promise((resolve) => void closed.close(resolve));
  });

  afterAll(() => {
    server?.closeAllConnections();
    server?.close();
    folder[Symbol.dispose]();
  });

  function run(
    args: readonly string[],
    environment: Record<string, string> = {},
  ): Promise<{ status: number | null; output: string }> {
    return new Promise((resolve) => {
      const env = { ...process.env, ...environment };
      const child = spawn(busybox, ["sh", probe, ...args], { stdio: ["ignore", "pipe", "ignore"], env });
      let output = "";
      child.stdout.on("data", (data: Buffer) => (output += data.toString()));
      child.on("close", (status) => resolve({ status, output }));
    });
  }

  const http = (path: string, expected: string): string[] => [
    "http",
    "127.0.0.1",
    String(port),
    expected,
    `POST /${path} HTTP/1.0\r\nHost: x\r\nX-Test: $(touch ${folder.path}/injected) %n\r\nContent-Length: 2\r\n\r\n{}`,
  ];
  /** One bad answer ends it; `false` as grace means none. */
  const watch = (question: readonly string[]): string[] => ["watch", "0.2", "2", "1", "0", ...question];

  it.each([
    ["200", '"result":"0x'],
    ["200", ""],
    ["204", ""],
    ["299", ""],
  ])("status %s with %j in the body is good", async (path, expected) => {
    expect((await run(["wait", "5", ...http(path, expected)])).status).toBe(0);
    expect(requests.at(-1)).toBe(`POST /${path} $(touch ${folder.path}/injected) %n`);
    expect(existsSync(join(folder.path, "injected"))).toBe(false);
  });

  it.each([
    ["200", '"result":"1x'],
    ["200", "HTTP/1"],
    ["301", ""],
    ["404", '"result":"0x'],
    ["500", ""],
    ["0", ""],
  ])("status %s with %j is bad", async (path, expected) => {
    expect(await run(watch(http(path, expected)))).toEqual({ status: 1, output: "bad answer, 1 of 1\n" });
  });

  it("knows an open port from a closed one", async () => {
    expect((await run(["wait", "5", "tcp", "127.0.0.1", String(port)])).status).toBe(0);
    expect((await run(watch(["tcp", "127.0.0.1", String(closedPort)]))).status).toBe(1);
  });

  it("does not wait for a service that has died", async () => {
    const closed = ["tcp", "127.0.0.1", String(closedPort)];
    const dead = spawn("true");
    await new Promise((resolve) => void dead.on("exit", resolve));
    expect((await run(["wait", "5", ...closed], { MAINPID: String(dead.pid) })).status).toBe(1);
    const alive = { MAINPID: String(process.pid) };
    expect((await run(["wait", "5", "tcp", "127.0.0.1", String(port)], alive)).status).toBe(0);
  });

  it("goes by a command's exit status and gives it its arguments as they are", async () => {
    const file = join(folder.path, "it's $HOME");
    expect((await run(["wait", "5", "exec", busybox, "touch", file])).status).toBe(0);
    expect(existsSync(file)).toBe(true);
    expect((await run(watch(["exec", busybox, "false"]))).status).toBe(1);
    expect((await run(watch(["exec", busybox, "sleep", "60"]))).status).toBe(1);
  });

  it("forgives bad answers at the start, until there was a good one, and counts only those in a row", async () => {
    // Answers by line: bad, bad, good, bad, good, bad, bad.
    const script = join(folder.path, "answers");
    const state = join(folder.path, "state");
    writeFileSync(state, "");
    writeFileSync(
      script,
      `${busybox} printf x >> ${state}\ncase $(${busybox} cat ${state}) in xxx | xxxxx) exit 0 ;; *) exit 1 ;; esac\n`,
    );
    const result = await run(["watch", "0.1", "5", "2", "2", "exec", busybox, "sh", script]);
    expect(result).toEqual({ status: 1, output: "bad answer, 1 of 2\nbad answer, 1 of 2\nbad answer, 2 of 2\n" });
  });
});
