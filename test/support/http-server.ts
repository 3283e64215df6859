import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as it came. */
export interface Received {
  method: string;
  /** With the query. */
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}
/** What is sent back: JSON, or a text as it is. */
export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  body: unknown;
}

/** An HTTP server on this machine. */
export interface HttpServer extends AsyncDisposable {
  /** Without a slash at its end. */
  url: string;
  received: Received[];
}

/** Starts a server on 127.0.0.1 that answers as `reply` says. */
export async function startHttpServer(reply: (request: Received) => Reply): Promise<HttpServer> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url: path = "", headers } = request;
      const got = { method, path, headers, body: Buffer.concat(chunks).toString("utf8") };
      received.push(got);
      const { status = 200, headers: more = {}, body } = reply(got);
      response.writeHead(status, { "content-type": "application/json", ...more });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
  });
  await new Promise<void>((settle) => {
    server.listen(0, "127.0.0.1", settle);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    [Symbol.asyncDispose]: () =>
      new Promise((settle) => {
        server.closeAllConnections();
        server.close(() => settle());
      }),
  };
}
