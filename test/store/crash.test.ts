import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Store } from "@cvm-build/store";
import { describe, expect, it } from "vitest";
import { sendFile, serve, type TestServer } from "../../packages/store/src/download/server.fixture.ts";
import { filesIn, makeTestFolder, openTestStore } from "../../packages/store/src/store.fixture.ts";

const BYTES = Buffer.from(Array.from({ length: 1_000_000 }, (_, index) => (index * 31 + (index >> 8)) % 256));
const SHA256 = createHash("sha256").update(BYTES).digest("hex");
const FILES = new Map([["/pool/x.deb", BYTES]]);

interface Ended {
  exitCode: number | null;
  signal: string | null;
  output: string;
}

/** Runs a process that fetches the package into the store at `directory`. */
function fetchInChild(
  directory: string,
  mirror: string,
  { prelude = ":", onSpawn }: { prelude?: string; onSpawn?: (kill: () => void) => void } = {},
): Promise<Ended> {
  const script = join(import.meta.dirname, "fetch-child.ts");
  const command = [process.execPath, script, directory, mirror, SHA256, String(BYTES.length)];
  const child = spawn("/bin/sh", ["-c", `${prelude}; exec "$@"`, "sh", ...command], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  onSpawn?.(() => child.kill("SIGKILL"));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exitCode, signal) => resolve({ exitCode, signal, output: output.trim() }));
  });
}

/** Serves the package in steps, and calls `onStep` with the bytes that have left. */
function serveSlowly(server: TestServer, onStep: (sentBytes: number) => void): void {
  server.handlers.set("/pool/x.deb", (request, response) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const range = { "content-range": `bytes ${start}-${BYTES.length - 1}/${BYTES.length}` };
    response.writeHead(start > 0 ? 206 : 200, {
      "content-length": BYTES.length - start,
      ...(start > 0 && range),
    });
    const step = (offset: number) => {
      if (response.destroyed) return;
      if (offset >= BYTES.length) return void response.end();
      response.write(BYTES.subarray(offset, offset + 50_000), () => {
        setTimeout(() => {
          onStep(offset + 50_000 - start);
          step(offset + 50_000);
        }, 5);
      });
    };
    step(start);
  });
}

async function expectSound(store: Store, directory: string): Promise<void> {
  expect(await store.verifyAll()).toMatchObject({ damaged: [] });
  expect(filesIn(directory, "temporary")).toEqual([]);
}

describe("kill -9 in the middle of a download", () => {
  it("leaves nothing that the next run could mistake for the package, and it goes on from there", async () => {
    using folder = makeTestFolder();
    await using server = await serve(FILES);
    for (const killAfterBytes of [50_000, 200_000, 400_000]) {
      let kill: () => void = () => undefined;
      serveSlowly(server, (sentBytes) => {
        if (sentBytes >= killAfterBytes) kill();
      });
      const ended = await fetchInChild(folder.path, server.url, { onSpawn: (action) => (kill = action) });
      expect(ended).toMatchObject({ signal: "SIGKILL" });
      expect(filesIn(folder.path, "objects")).toEqual([]);
      expect(filesIn(folder.path, "partial").length).toBeGreaterThan(0);
    }
    server.handlers.clear();
    const ended = await fetchInChild(folder.path, server.url);
    expect(ended.exitCode).toBe(0);
    expect(readFileSync(ended.output).equals(BYTES)).toBe(true);
    expect(server.requests.at(-1)).toMatch(/bytes=[1-9]\d{4,}-$/);
    expect(filesIn(folder.path, "partial")).toEqual([]);
    await expectSound(openTestStore(folder.path), folder.path);
  });
});

describe("several processes that want the same", () => {
  it("all get it, whole", async () => {
    using folder = makeTestFolder();
    await using server = await serve(FILES);
    serveSlowly(server, () => undefined);
    const ended = await Promise.all(Array.from({ length: 4 }, () => fetchInChild(folder.path, server.url)));
    expect(ended.map(({ exitCode, output }) => `${exitCode} ${output}`)).toEqual(
      Array(4).fill(expect.stringMatching(/^0 .*\/objects\//)),
    );
    expect(new Set(ended.map(({ output }) => output)).size).toBe(1);
    expect(readFileSync(ended[0]?.output ?? "").equals(BYTES)).toBe(true);
    expect(filesIn(folder.path, "partial")).toEqual([]);
    await expectSound(openTestStore(folder.path), folder.path);
  });

  it("get it although one of them is killed", async () => {
    using folder = makeTestFolder();
    await using server = await serve(FILES);
    let kill: () => void = () => undefined;
    serveSlowly(server, (sentBytes) => {
      if (sentBytes >= 300_000) kill();
    });
    const [killed, ...others] = await Promise.all([
      fetchInChild(folder.path, server.url, { onSpawn: (action) => (kill = action) }),
      fetchInChild(folder.path, server.url),
      fetchInChild(folder.path, server.url),
    ]);
    expect(killed).toMatchObject({ signal: "SIGKILL" });
    expect(others.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    await expectSound(openTestStore(folder.path), folder.path);
  });
});

describe("a full disk", () => {
  it("by a limit on file sizes is told, and leaves no part of the package", async () => {
    using folder = makeTestFolder();
    await using server = await serve(FILES);
    const ended = await fetchInChild(folder.path, server.url, { prelude: "ulimit -f 600" });
    expect(ended).toMatchObject({ exitCode: 3, output: "failed: disk-full" });
    expect(filesIn(folder.path, "objects")).toEqual([]);
    expect(filesIn(folder.path, "partial")).toEqual([]);
    expect(await fetchInChild(folder.path, server.url)).toMatchObject({ exitCode: 0 });
    await expectSound(openTestStore(folder.path), folder.path);
  });

  it("for real is told, and leaves no part of the package", async (context) => {
    using folder = makeTestFolder();
    using disk = mountSmallDisk(join(folder.path, "disk"));
    if (disk === undefined) return context.skip("needs to mount a file system");
    await using server = await serve(FILES);
    server.handlers.set("/pool/x.deb", (request, response) => sendFile(BYTES, { request, response }));
    expect(await fetchInChild(disk.path, server.url)).toMatchObject({ exitCode: 3, output: "failed: disk-full" });
    expect(filesIn(disk.path, "objects")).toEqual([]);
    expect(filesIn(disk.path, "partial")).toEqual([]);
    expect(() => openTestStore(disk.path).put(BYTES)).toThrow(expect.objectContaining({ code: "disk-full" }));
    expect(filesIn(disk.path, "temporary")).toEqual([]);
    execFileSync("mount", ["-o", "remount,size=4m", disk.path]);
    expect(await fetchInChild(disk.path, server.url)).toMatchObject({ exitCode: 0 });
    await expectSound(openTestStore(disk.path), disk.path);
  });
});

/** A file system of 512 KiB at `path`, or undefined for those who may not mount. */
function mountSmallDisk(path: string): ({ path: string } & Disposable) | undefined {
  mkdirSync(path);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=512k", "tmpfs", path], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  return { path, [Symbol.dispose]: () => void execFileSync("umount", ["--lazy", path]) };
}
