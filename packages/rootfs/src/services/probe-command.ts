import type { Probe, ServiceDeclaration } from "@cvm-build/profile";
import { BUSYBOX_PATH, PROBE_PATH } from "./probe-script.ts";
import { quoteArgument } from "./unit-syntax.ts";

/** An answer that takes longer than this is none, while a service starts. */
const READINESS_ANSWER_SEC = 5;

/** The command line of `ExecStartPost=` that ends when the service is ready. systemd's start timeout ends it otherwise. */
export function readinessCommand(readiness: NonNullable<ServiceDeclaration["readiness"]>): string {
  const limit = Math.min(READINESS_ANSWER_SEC, wholeSeconds(readiness.timeoutSec));
  return commandLine(["wait", String(limit), ...question(readiness)]);
}

/** The command line that runs as long as the service is healthy. */
export function healthCommand(health: NonNullable<ServiceDeclaration["health"]>): string {
  const { intervalSec, timeoutSec, failures, startPeriodSec } = health;
  const grace = Math.ceil(startPeriodSec / Math.max(intervalSec, 0.1));
  const numbers = [Math.max(intervalSec, 0.1), wholeSeconds(timeoutSec), Math.max(1, failures), grace];
  return commandLine(["watch", ...numbers.map(String), ...question(health)]);
}

function commandLine(args: readonly string[]): string {
  return [BUSYBOX_PATH, "sh", PROBE_PATH, ...args].map(quoteArgument).join(" ");
}

/** busybox's `timeout` counts whole seconds. */
function wholeSeconds(seconds: number): number {
  return Math.max(1, Math.ceil(seconds));
}

function question(probe: Probe): string[] {
  switch (probe.kind) {
    case "exec":
      return ["exec", ...probe.command];
    case "tcp":
      return ["tcp", probe.host, String(probe.port)];
    case "http": {
      const url = new URL(probe.url);
      const host = url.hostname.replace(/^\[|\]$/g, "");
      return ["http", host, url.port || "80", probe.expect ?? "", httpRequest(probe, url)];
    }
  }
}

/** HTTP/1.0: the answer then ends with the connection and comes in one piece. @see RFC 1945, 5 */
function httpRequest(probe: Probe & { kind: "http" }, url: URL): string {
  const body = probe.body ?? "";
  const headers = {
    Host: url.host,
    Connection: "close",
    ...(body === "" && probe.method === "GET" ? {} : { "Content-Length": String(Buffer.byteLength(body)) }),
    ...probe.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${probe.method} ${url.pathname}${url.search} HTTP/1.0\r\n${lines.join("")}\r\n${body}`;
}
