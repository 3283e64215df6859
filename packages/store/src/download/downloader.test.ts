import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProgressEvent, Sha256Hex } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { layoutOf } from "../objects/layout.ts";
import { ObjectStore } from "../objects/object-store.ts";
import { filesIn, makeTestFolder, NOBODY, NOW } from "../store.fixture.ts";
import { Downloader } from "./downloader.ts";
import { sendCut, sendFile, serve, type TestServer } from "./server.fixture.ts";
import type { DownloadRequest } from "./transfer.ts";

const BYTES = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7919) % 251));
const SHA256 = createHash("sha256").update(BYTES).digest("hex") as Sha256Hex;
const FILES = new Map([["/file", BYTES]]);

function makeDownloader(
  directory: string,
  options: {
    offline?: boolean;
    signal?: AbortSignal;
    report?: (event: ProgressEvent) => void;
    stallTimeoutMs?: number;
  } = {},
): Downloader {
  const layout = layoutOf(directory);
  return new Downloader({
    layout,
    objects: new ObjectStore(layout, { now: () => NOW }),
    transport: {
      fetch,
      stallTimeoutMs: options.stallTimeoutMs ?? 20_000,
      ...(options.signal !== undefined && { signal: options.signal }),
    },
    offline: options.offline ?? false,
    retry: { attempts: 3, firstDelayMs: 1 },
    parallelDownloads: 3,
    report: options.report,
  });
}

function requestOf(urls: string[], other: Partial<DownloadRequest> = {}): DownloadRequest {
  return {
    kind: "package",
    name: "file",
    urls,
    identity: { algorithm: "sha256", hex: SHA256 },
    sizeBytes: BYTES.length,
    maxBytes: BYTES.length,
    ...other,
  };
}

/** Runs `work` with a server of `FILES` and an empty store. */
async function withServer(
  work: (server: TestServer, directory: string) => Promise<void>,
  files: ReadonlyMap<string, Uint8Array> = FILES,
) {
  using folder = makeTestFolder();
  await using server = await serve(files);
  await work(server, folder.path);
}

/** What is left of an earlier attempt: the first `bytes` of the file. */
function leave(directory: string, bytes: Uint8Array) {
  mkdirSync(join(directory, "partial"), { recursive: true });
  writeFileSync(join(directory, "partial", `${SHA256}.1-1`), bytes);
}

describe("a download", () => {
  it("gets its name when it is whole", async () => {
    await withServer(async (server, directory) => {
      const object = await makeDownloader(directory).download(requestOf([`${server.url}/file`]));
      expect(object).toEqual({
        sha256: SHA256,
        sizeBytes: BYTES.length,
        path: join(directory, "objects", SHA256.slice(0, 2), SHA256.slice(2)),
      });
      expect(readFileSync(object.path).equals(BYTES)).toBe(true);
      expect(filesIn(directory, "partial")).toEqual([]);
    });
  });

  it("is not made twice", async () => {
    await withServer(async (server, directory) => {
      const downloader = makeDownloader(directory);
      const request = requestOf([`${server.url}/file`]);
      await Promise.all([downloader.download(request), downloader.download(request)]);
      await makeDownloader(directory).download(request);
      expect(server.requests).toEqual(["GET /file"]);
    });
  });

  it("goes on where the connection was cut", async () => {
    await withServer(async (server, directory) => {
      server.handlers.set("/file", (request, response) => sendCut(BYTES, { request, response, limitBytes: 30_000 }));
      const { path } = await makeDownloader(directory).download(requestOf([`${server.url}/file`]));
      expect(readFileSync(path).equals(BYTES)).toBe(true);
      expect(server.requests.length).toBeGreaterThan(3);
      for (const [index, line] of server.requests.slice(1).entries()) {
        expect(Number(/bytes=(\d+)-$/.exec(line)?.[1]), line).toBeGreaterThan(index * 1000);
      }
    });
  });

  it("goes on where an earlier run was killed", async () => {
    await withServer(async (server, directory) => {
      leave(directory, BYTES.subarray(0, 60_000));
      const { path } = await makeDownloader(directory).download(requestOf([`${server.url}/file`]));
      expect(server.requests).toEqual(["GET /file bytes=60000-"]);
      expect(readFileSync(path).equals(BYTES)).toBe(true);
      expect(filesIn(directory, "partial")).toEqual([]);
    });
  });

  it("needs no server for what an earlier run had whole", async () => {
    using folder = makeTestFolder();
    leave(folder.path, BYTES);
    const { path } = await makeDownloader(folder.path).download(requestOf([`${NOBODY}/file`]));
    expect(readFileSync(path).equals(BYTES)).toBe(true);
  });

  it.each([
    ["other bytes", Buffer.alloc(60_000, 1)],
    ["other bytes of full size", Buffer.alloc(BYTES.length, 1)],
    ["more bytes than there are", Buffer.alloc(BYTES.length + 1, 1)],
    ["nothing", Buffer.alloc(0)],
  ])("begins anew where an earlier run left %s", async (_, left) => {
    await withServer(async (server, directory) => {
      leave(directory, left);
      const { path } = await makeDownloader(directory).download(requestOf([`${server.url}/file`]));
      expect(readFileSync(path).equals(BYTES)).toBe(true);
      expect(server.requests.at(-1)).toBe("GET /file");
    });
  });

  it("begins anew where the server says that the file has changed meanwhile", async () => {
    await withServer(async (server, directory) => {
      const sent: (string | undefined)[] = [];
      server.handlers.set("/file", (request, response) => {
        sent.push(request.headers["if-range"] as string | undefined);
        if (sent.length > 1) return sendFile(BYTES, { request, response });
        response.writeHead(200, { "content-length": BYTES.length, etag: '"old"' });
        response.write(Buffer.alloc(1000, 1), () => setTimeout(() => response.destroy(), 10));
      });
      const { path } = await makeDownloader(directory).download(requestOf([`${server.url}/file`]));
      expect(readFileSync(path).equals(BYTES)).toBe(true);
      expect(sent).toEqual([undefined, '"old"']);
    });
  });

  it("takes all of it from a server that knows no ranges", async () => {
    await withServer(async (server, directory) => {
      leave(directory, BYTES.subarray(0, 60_000));
      server.handlers.set("/file", (_, response) => void response.end(BYTES));
      const { path } = await makeDownloader(directory).download(requestOf([`${server.url}/file`]));
      expect(readFileSync(path).equals(BYTES)).toBe(true);
    });
  });

  it("follows redirects", async () => {
    await withServer(async (server, directory) => {
      server.handlers.set("/moved", (_, response) => void response.writeHead(302, { location: "/file" }).end());
      await makeDownloader(directory).download(requestOf([`${server.url}/moved`]));
      expect(server.requests).toEqual(["GET /moved", "GET /file"]);
    });
  });

  it("is as patient as the bytes keep coming", async () => {
    await withServer(async (server, directory) => {
      server.handlers.set("/file", (_, response) => {
        response.writeHead(200, { "content-length": BYTES.length });
        const step = (offset: number) => {
          if (offset >= BYTES.length) return void response.end();
          response.write(BYTES.subarray(offset, offset + 10_000));
          setTimeout(step, 200, offset + 10_000);
        };
        step(0);
      });
      const { path } = await makeDownloader(directory, { stallTimeoutMs: 1500 }).download(
        requestOf([`${server.url}/file`]),
      );
      expect(readFileSync(path).equals(BYTES)).toBe(true);
      expect(server.requests).toHaveLength(1);
    });
  });

  it("does not wait for bytes that never come", async () => {
    await withServer(async (server, directory) => {
      let first = true;
      server.handlers.set("/file", (request, response) => {
        if (!first) return sendFile(BYTES, { request, response });
        first = false;
        response.writeHead(200, { "content-length": BYTES.length }).write(BYTES.subarray(0, 10));
      });
      await makeDownloader(directory, { stallTimeoutMs: 500 }).download(requestOf([`${server.url}/file`]));
      expect(server.requests).toEqual(["GET /file", "GET /file bytes=10-"]);
    });
  });

  it.each([500, 502, 503, 429, 408])("is tried again after HTTP %i", async (status) => {
    await withServer(async (server, directory) => {
      let left = 2;
      server.handlers.set("/file", (request, response) => {
        if (left === 0) return sendFile(BYTES, { request, response });
        left -= 1;
        response.writeHead(status).end();
      });
      await makeDownloader(directory).download(requestOf([`${server.url}/file`]));
      expect(server.requests).toHaveLength(3);
    });
  });

  it("tells its progress in bytes, up to the whole", async () => {
    await withServer(async (server, directory) => {
      const events: ProgressEvent[] = [];
      const downloader = makeDownloader(directory, { report: (event) => events.push(event) });
      await downloader.downloadAll([requestOf([`${server.url}/file`])]);
      expect(events[0]).toMatchObject({ stage: "fetch", item: "file", total: BYTES.length, unit: "bytes" });
      expect(events.at(-1)).toMatchObject({ done: BYTES.length });
    });
  });

  it("is made by several at a time, but not by all", async () => {
    const files = new Map(Array.from({ length: 12 }, (_, index) => [`/${index}`, Buffer.from(`file ${index}`)]));
    await withServer(async (server, directory) => {
      let running = 0;
      let most = 0;
      server.handlers.set("*", (request, response) => {
        running += 1;
        most = Math.max(most, running);
        setTimeout(() => {
          running -= 1;
          sendFile(files.get(request.url ?? "") as Buffer, { request, response });
        }, 10);
      });
      const requests = [...files].map(([path, bytes]) => {
        const hex = createHash("sha256").update(bytes).digest("hex") as Sha256Hex;
        return requestOf([server.url + path], { identity: { algorithm: "sha256", hex }, sizeBytes: bytes.length });
      });
      const objects = await makeDownloader(directory).downloadAll(requests);
      expect(objects.map(({ path }) => readFileSync(path, "utf8"))).toEqual([...files.values()].map(String));
      expect(most).toBe(3);
    }, files);
  });

  it("may be identified by SHA-512 where its SHA-256 is to be learnt", async () => {
    await withServer(async (server, directory) => {
      const hex = createHash("sha512").update(BYTES).digest("hex");
      const { sizeBytes: _, ...request } = requestOf([`${server.url}/file`]);
      const identified = { ...request, identity: { algorithm: "sha512", hex } as const };
      expect(await makeDownloader(directory).download(identified)).toMatchObject({ sha256: SHA256 });
    });
  });
});

describe("a download that fails", () => {
  const failureOf = (promise: Promise<unknown>) => promise.then(() => undefined).catch((error: unknown) => error);

  it.each([
    ["longer, as it says", 1, true, "size-mismatch"],
    ["longer, without saying", 1, false, "size-mismatch"],
    ["shorter, as it says", -1, true, "size-mismatch"],
    ["shorter, without saying", -1, false, "size-mismatch"],
    ["another, of the same size", 0, true, "digest-mismatch"],
  ])("because the file is %s", async (_, more, says, code) => {
    await withServer(async (server, directory) => {
      const wrong = Buffer.alloc(BYTES.length + more, 1);
      server.handlers.set("/file", (request, response) => {
        if (says) return sendFile(wrong, { request, response });
        const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
        if (start >= wrong.length) return void response.writeHead(416).end();
        response.end(wrong);
      });
      const error = await failureOf(makeDownloader(directory).download(requestOf([`${server.url}/file`])));
      expect(error).toMatchObject({ code });
      expect((error as Error).message).toMatch(/^cannot fetch package "file": expected .*, got .* from http:/);
      expect(filesIn(directory, "objects")).toEqual([]);
      expect(filesIn(directory, "partial")).toEqual([]);
    });
  });

  it("because a server sends without end stops at the size that was declared", async () => {
    await withServer(async (server, directory) => {
      let sent = 0;
      server.handlers.set("/file", (_, response) => {
        const pour = () => {
          while (!response.destroyed && sent < 1e9 && response.write(BYTES)) sent += BYTES.length;
        };
        response.on("drain", pour);
        pour();
      });
      const error = await failureOf(makeDownloader(directory).download(requestOf([`${server.url}/file`])));
      expect(error).toMatchObject({ code: "size-mismatch" });
      expect(sent).toBeLessThan(1e9);
    });
  });

  it.each([401, 403, 451])("because the server forbids (HTTP %i) is not tried again", async (status) => {
    await withServer(async (server, directory) => {
      server.handlers.set("/file", (_, response) => void response.writeHead(status).end());
      const error = await failureOf(makeDownloader(directory).download(requestOf([`${server.url}/file`])));
      expect(error).toMatchObject({ code: "unreachable", message: expect.stringContaining(`HTTP ${status}`) });
      expect(server.requests).toHaveLength(1);
    });
  });

  it("because nobody has it names every address", async () => {
    await withServer(async (server, directory) => {
      const urls = [`${server.url}/a`, `${server.url}/b`];
      const error = await failureOf(makeDownloader(directory).download(requestOf(urls)));
      expect(error).toMatchObject({ code: "not-found", details: { attempts: urls.map((url) => ({ url })) } });
    });
  });

  it("because nobody answers asks a dead server once, not once a file", async () => {
    using folder = makeTestFolder();
    const downloader = makeDownloader(folder.path);
    for (const name of ["a", "b", "c"]) {
      const error = await failureOf(downloader.download(requestOf([`${NOBODY}/${name}`])));
      expect(error).toMatchObject({ code: "unreachable" });
    }
  });

  it("because every connection is cut keeps what it has for the next run", async () => {
    await withServer(async (server, directory) => {
      let calls = 0;
      server.handlers.set("/file", (request, response) => {
        calls += 1;
        if (calls === 1) sendCut(BYTES, { request, response, limitBytes: 40_000 });
        else response.destroy();
      });
      const error = await failureOf(makeDownloader(directory).download(requestOf([`${server.url}/file`])));
      expect(error).toMatchObject({ code: "unreachable" });
      server.handlers.clear();
      await makeDownloader(directory).download(requestOf([`${server.url}/file`]));
      expect(server.requests.at(-1)).toMatch(/^GET \/file bytes=[1-9]/);
    });
  });

  it("at one address is had from the next, which goes on where the first ended", async () => {
    await withServer(async (server, directory) => {
      let cut = false;
      server.handlers.set("/first", (request, response) => {
        if (cut) return void response.destroy();
        cut = true;
        sendCut(BYTES, { request, response, limitBytes: 50_000 });
      });
      const urls = [`${server.url}/first`, `${server.url}/file`];
      const { path } = await makeDownloader(directory).download(requestOf(urls));
      expect(server.requests.at(-1)).toMatch(/^GET \/file bytes=[1-9]/);
      expect(readFileSync(path).equals(BYTES)).toBe(true);
    });
  });

  it("at an address that lies and breaks off is had from the next, which is not blamed", async () => {
    await withServer(async (server, directory) => {
      const wrong = Buffer.alloc(BYTES.length, 9);
      let cut = false;
      server.handlers.set("/lies", (request, response) => {
        if (cut) return void response.destroy();
        cut = true;
        sendCut(wrong, { request, response, limitBytes: 50_000 });
      });
      const { path } = await makeDownloader(directory).download(
        requestOf([`${server.url}/lies`, `${server.url}/file`]),
      );
      expect(readFileSync(path).equals(BYTES)).toBe(true);
      expect(server.requests.slice(-2)).toEqual([expect.stringMatching(/^GET \/file bytes=/), "GET /file"]);
    });
  });

  it("at an address that lies is had from the next, from its beginning", async () => {
    await withServer(async (server, directory) => {
      server.handlers.set("/lies", (request, response) =>
        sendFile(Buffer.alloc(BYTES.length, 9), { request, response }),
      );
      const urls = [`${server.url}/lies`, `${server.url}/file`];
      await makeDownloader(directory).download(requestOf(urls));
      expect(server.requests).toEqual(["GET /lies", "GET /file"]);
    });
  });

  it("because the caller stops keeps what it has", async () => {
    await withServer(async (server, directory) => {
      const controller = new AbortController();
      server.handlers.set("/file", (_, response) => {
        response.writeHead(200, { "content-length": BYTES.length }).write(BYTES.subarray(0, 20_000));
        setTimeout(() => controller.abort(), 50);
      });
      const downloader = makeDownloader(directory, { signal: controller.signal });
      const error = await failureOf(downloader.download(requestOf([`${server.url}/file`])));
      expect(error).toMatchObject({ code: "aborted" });
      expect(filesIn(directory, "partial")).toHaveLength(1);
      expect(filesIn(directory, "objects")).toEqual([]);
    });
  });

  it("because the network may not be used says so at once", async () => {
    await withServer(async (server, directory) => {
      const downloader = makeDownloader(directory, { offline: true });
      const error = await failureOf(downloader.download(requestOf([`${server.url}/file`])));
      expect(error).toMatchObject({ code: "offline" });
      expect((error as Error).message).toMatch(/^cannot fetch package "file": expected it in the store/);
      expect(server.requests).toEqual([]);
    });
  });
});
