import { quoteText } from "./error.ts";
import type { SourcePosition } from "./position.ts";
import { parseDuration, parsePercentage, parseSize } from "./quantity.ts";
import { SERVICE_NAME } from "./schema.ts";
import type { Probe, ServiceDeclaration } from "./service.ts";
import { serviceSchema, type WrittenProbe, type WrittenService } from "./service-schema.ts";
import { ValueFault } from "./value-fault.ts";
import { splitShellWords } from "./word.ts";
import { YamlDocument, type YamlPath } from "./yaml-document.ts";

/** A service and where it names others. */
export interface ReadService {
  service: ServiceDeclaration;
  /** What `after` and `requires` name. */
  references: { name: string; position: SourcePosition }[];
}

/**
 * Reads a service's YAML and fills in the defaults.
 * @param file the file's name in positions; the service is named after it
 * @throws CvmError `profile-bad-declaration` with file, line and column
 */
export function readService(text: string, file: string): ReadService {
  const name = file.replace(/^[^]*\//, "").replace(/\.yaml$/, "");
  const document = new YamlDocument(text, { noun: "service", name, file });
  if (!SERVICE_NAME.test(name)) {
    throw document.fault([], "a file name of lower-case letters, digits, - and _", { got: quoteText(`${name}.yaml`) });
  }
  const written = document.validate(serviceSchema());
  const { after = [], requires = [] } = written;
  const type = written.type ?? "daemon";
  const service: ServiceDeclaration = {
    name,
    position: document.positionOf([]),
    description: written.description ?? name,
    command: document.read(["command"], () => parseCommand(written.command)),
    type,
    user: written.user ?? name,
    groups: written.groups ?? [],
    environment: written.environment ?? {},
    ...(written.workingDirectory === undefined ? {} : { workingDirectory: written.workingDirectory }),
    after: [...new Set([...after, ...requires])],
    requires: [...new Set(requires)],
    ...readProbes(written, document),
    restart: readRestart(written.restart, { type, document }),
    limits: readLimits(written.limits, document),
    sandbox: readSandbox(written.sandbox),
  };
  const references = (["after", "requires"] as const).flatMap((key) =>
    (written[key] ?? []).map((other, index) => ({ name: other, position: document.positionOf([key, index]) })),
  );
  return { service, references };
}

/** Reads a service's YAML. @see readService */
export function parseService(text: string, file: string): ServiceDeclaration {
  return readService(text, file).service;
}

function readProbes(written: WrittenService, document: YamlDocument): Pick<ServiceDeclaration, "readiness" | "health"> {
  const { readiness, health } = written;
  const durations = (group: string) => durationsOf(group, document);
  return {
    ...(readiness === undefined
      ? {}
      : {
          readiness: {
            ...readProbe(readiness, ["readiness"], document),
            timeoutSec: durations("readiness")("timeout", readiness.timeout, 60),
          },
        }),
    ...(health === undefined
      ? {}
      : {
          health: {
            ...readProbe(health, ["health"], document),
            intervalSec: durations("health")("interval", health.interval, 10),
            timeoutSec: durations("health")("timeout", health.timeout, 5),
            failures: health.failures ?? 3,
            startPeriodSec: durations("health")("startPeriod", health.startPeriod, 60),
          },
        }),
  };
}

function readProbe(written: WrittenProbe, path: YamlPath, document: YamlDocument): Probe {
  const { http, tcp, exec } = written;
  const given = [http, tcp, exec].filter((probe) => probe !== undefined).length;
  if (given !== 1) throw document.fault(path, "one of http, tcp, exec", { got: given === 0 ? "none" : "several" });
  if (http !== undefined) {
    const { url, method, body, headers = {}, expect } = typeof http === "string" ? { url: http } : http;
    return {
      kind: "http",
      url,
      method: method ?? (body === undefined ? "GET" : "POST"),
      ...(body === undefined ? {} : { body }),
      headers,
      ...(expect === undefined ? {} : { expect }),
    };
  }
  if (tcp !== undefined) return document.read([...path, "tcp"], () => parseTcp(tcp));
  return { kind: "exec", command: document.read([...path, "exec"], () => parseCommand(exec!)) };
}

function parseTcp(written: number | string): Probe {
  const colon = typeof written === "string" ? written.lastIndexOf(":") : -1;
  const host = colon === -1 ? "127.0.0.1" : String(written).slice(0, colon);
  const port = Number(String(written).slice(colon + 1));
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return { kind: "tcp", host, port };
  throw new ValueFault("a port 1..65535, or host:port", quoteText(String(written)));
}

function readRestart(
  written: WrittenService["restart"] = {},
  { type, document }: { type: ServiceDeclaration["type"]; document: YamlDocument },
): ServiceDeclaration["restart"] {
  const duration = durationsOf("restart", document);
  const delaySec = duration("delay", written.delay, 1);
  const maxDelaySec = duration("maxDelay", written.maxDelay, Math.max(30, delaySec));
  if (maxDelaySec < delaySec) throw document.fault(["restart", "maxDelay"], `at least the delay of ${delaySec}s`);
  return {
    // systemd and others refuse to start a oneshot again that has ended well.
    policy: written.policy ?? (type === "oneshot" ? "on-failure" : "always"),
    delaySec,
    maxDelaySec,
    backoffSteps: written.backoffSteps ?? 5,
    limit: written.limit ?? 10,
    withinSec: duration("within", written.within, 600),
    lastResort: written.lastResort ?? "none",
  };
}

function readLimits(written: WrittenService["limits"] = {}, document: YamlDocument): ServiceDeclaration["limits"] {
  const { memory, cpu, tasks, openFiles } = written;
  return {
    ...(memory === undefined ? {} : { memoryMaxBytes: document.read(["limits", "memory"], () => parseSize(memory)) }),
    ...(cpu === undefined ? {} : { cpuPercent: document.read(["limits", "cpu"], () => parsePercentage(cpu)) }),
    ...(tasks === undefined ? {} : { tasksMax: tasks }),
    ...(openFiles === undefined ? {} : { openFiles }),
  };
}

function readSandbox(written: WrittenService["sandbox"] = {}): ServiceDeclaration["sandbox"] {
  const below = (directory: string) => (path: string) => (path.startsWith("/") ? path : `${directory}/${path}`);
  return {
    stateDirectories: (written.stateDirectories ?? []).map(below("/var/lib")),
    runtimeDirectories: (written.runtimeDirectories ?? []).map(below("/run")),
    readWritePaths: written.readWritePaths ?? [],
    network: written.network ?? "full",
    capabilities: written.capabilities ?? [],
    level: written.level ?? "strict",
  };
}

/** Makes a reader of the durations of one group of keys. */
function durationsOf(group: string, document: YamlDocument) {
  return (key: string, written: number | string | undefined, defaultSec: number): number =>
    written === undefined ? defaultSec : document.read([group, key], () => parseDuration(written));
}

function parseCommand(written: string | readonly string[]): string[] {
  const command =
    typeof written === "string" ? splitShellWords(written, " \t\n").map(({ text }) => text) : [...written];
  const [program = ""] = command;
  if (program.startsWith("/")) return command;
  throw new ValueFault("a program by absolute path first", quoteText(program));
}
