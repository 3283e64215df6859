import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a server does with one request. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server on this machine that ends with the test that started it. */
export interface TestServer extends AsyncDisposable {
  url: string;
  /** `GET /path` or `GET /path bytes=5-` for each request, in order. */
  requests: string[];
  /** Paths that are answered in another way than from the files. */
  handlers: Map<string, Handler>;
}

/** Serves `files` by path, with ranges and entity tags as a mirror does. */
export async function serve(files: ReadonlyMap<string, Uint8Array>): Promise<TestServer> {
  const requests: string[] = [];
  const handlers = new Map<string, Handler>();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "/");
    requests.push(["GET", path, request.headers.range].filter((part) => part !== undefined).join(" "));
    const handler = handlers.get(path) ?? handlers.get("*");
    if (handler !== undefined) return handler(request, response);
    const bytes = files.get(path);
    if (bytes === undefined) return void response.writeHead(404).end();
    sendFile(bytes, { request, response });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    handlers,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers with a file, or the part of it that a range asks for. */
export function sendFile(
  bytes: Uint8Array,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
): void {
  const etag = `"${bytes.length}"`;
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const ifRange = request.headers["if-range"];
  if (start === 0 || (ifRange !== undefined && ifRange !== etag)) {
    response.writeHead(200, { "content-length": bytes.length, etag }).end(bytes);
  } else if (start >= bytes.length) {
    response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
  } else {
    const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    const headers = { "content-length": bytes.length - start, "content-range": range, etag };
    response.writeHead(206, headers).end(bytes.subarray(start));
  }
}

/** Answers as `sendFile` does, but cuts the connection after `limitBytes` of the body. */
export function sendCut(
  bytes: Uint8Array,
  { request, response, limitBytes }: { request: IncomingMessage; response: ServerResponse; limitBytes: number },
): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const rest = bytes.subarray(start);
  const range = { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(start === 0 ? 200 : 206, { "content-length": rest.length, ...(start > 0 && range) });
  if (rest.length <= limitBytes) return void response.end(rest);
  // Wait until the bytes have left, or cutting would lose them too.
  response.write(rest.subarray(0, limitBytes), () => setTimeout(() => response.destroy(), 10));
}
