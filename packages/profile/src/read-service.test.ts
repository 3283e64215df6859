import { CvmError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseService } from "./read-service.ts";

const parse = (text: string, file = "services/reth.yaml") => parseService(text, file);

/** Gives the error that parsing ends with. */
function fail(text: string, file?: string): CvmError {
  try {
    parse(text, file);
  } catch (error) {
    if (error instanceof CvmError) return error;
    throw error;
  }
  throw new Error("parsing did not fail");
}

test("one line is a service with every default", () => {
  expect(parse("command: /usr/bin/reth node\n")).toEqual({
    name: "reth",
    position: { file: "services/reth.yaml", line: 1, column: 1 },
    description: "reth",
    command: ["/usr/bin/reth", "node"],
    type: "daemon",
    user: "reth",
    groups: [],
    environment: {},
    after: [],
    requires: [],
    restart: {
      policy: "always",
      delaySec: 1,
      maxDelaySec: 30,
      backoffSteps: 5,
      limit: 10,
      withinSec: 600,
      lastResort: "none",
    },
    limits: {},
    sandbox: {
      stateDirectories: [],
      runtimeDirectories: [],
      readWritePaths: [],
      network: "full",
      capabilities: [],
      level: "strict",
    },
  });
});

test("everything that can be written", () => {
  const text = `
# A node as operators run it.
description: Execution node
command: [/usr/bin/reth, node, "--datadir=/var/lib/reth", two words]
type: daemon
user: _eth
groups: [jwt]
environment: { RUST_LOG: info, VER: "1.10" }
workingDirectory: /var/lib/reth
after: [network-online.target, jwt]
requires: [jwt, keys]
readiness:
  tcp: 8545
  timeout: 2min
health:
  http:
    url: http://127.0.0.1:8545/
    headers: { Content-Type: application/json }
    body: '{"method":"eth_blockNumber"}'
    expect: '"result"'
  interval: 15
  timeout: 500ms
  failures: 4
  startPeriod: 1.5m
restart: { policy: on-failure, delay: 2s, maxDelay: 1h, backoffSteps: 0, limit: 3, within: 1d, lastResort: reboot }
limits: { memory: 2G, cpu: 150%, tasks: 512, openFiles: 65536 }
sandbox:
  stateDirectories: [reth, /var/cache/reth]
  runtimeDirectories: [reth]
  readWritePaths: [/data]
  network: loopback
  capabilities: [CAP_NET_BIND_SERVICE]
  level: "off"
`;
  expect(parse(text)).toMatchObject({
    position: { line: 3, column: 1 },
    description: "Execution node",
    command: ["/usr/bin/reth", "node", "--datadir=/var/lib/reth", "two words"],
    user: "_eth",
    groups: ["jwt"],
    environment: { RUST_LOG: "info", VER: "1.10" },
    workingDirectory: "/var/lib/reth",
    after: ["network-online.target", "jwt", "keys"],
    requires: ["jwt", "keys"],
    readiness: { kind: "tcp", host: "127.0.0.1", port: 8545, timeoutSec: 120 },
    health: {
      kind: "http",
      url: "http://127.0.0.1:8545/",
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: '{"method":"eth_blockNumber"}',
      expect: '"result"',
      intervalSec: 15,
      timeoutSec: 0.5,
      failures: 4,
      startPeriodSec: 90,
    },
    restart: {
      policy: "on-failure",
      delaySec: 2,
      maxDelaySec: 3600,
      backoffSteps: 0,
      limit: 3,
      withinSec: 86_400,
      lastResort: "reboot",
    },
    limits: { memoryMaxBytes: 2 ** 31, cpuPercent: 150, tasksMax: 512, openFiles: 65_536 },
    sandbox: {
      stateDirectories: ["/var/lib/reth", "/var/cache/reth"],
      runtimeDirectories: ["/run/reth"],
      readWritePaths: ["/data"],
      network: "loopback",
      capabilities: ["CAP_NET_BIND_SERVICE"],
      level: "off",
    },
  });
});

test.each([
  ["http: http://x/", { kind: "http", url: "http://x/", method: "GET", headers: {} }],
  ["tcp: '[::1]:80'", { kind: "tcp", host: "[::1]", port: 80 }],
  ["exec: /bin/check 'a b'", { kind: "exec", command: ["/bin/check", "a b"] }],
  ["exec: [/bin/check, a b]", { kind: "exec", command: ["/bin/check", "a b"] }],
])("probe %s", (text, probe) => {
  const { health } = parse(`command: /x\nhealth: {${text}}\n`);
  expect(health).toEqual({ ...probe, intervalSec: 10, timeoutSec: 5, failures: 3, startPeriodSec: 60 });
});

test("a oneshot is not started again when it has ended well", () => {
  expect(parse("command: /x\ntype: oneshot\n").restart.policy).toBe("on-failure");
});

describe("what is refused", () => {
  test.each<[text: string, message: string, hint?: string]>([
    ["", 'cannot read service "reth" at services/reth.yaml:1:1: expected a mapping, got nothing'],
    [
      "user: x\n",
      'cannot read "command" of service "reth" at services/reth.yaml:1:1: expected a command line, or a list of arguments, got nothing',
    ],
    [
      "command: reth node\n",
      'cannot read "command" of service "reth" at services/reth.yaml:1:10: expected a program by absolute path first, got "reth"',
    ],
    ["command: /x 'y\n", "expected a closing ', got the end of the value"],
    [
      "command: /x\nenvironment:\n  A: b\n  VER: 1.10\n",
      'cannot read "environment.VER" of service "reth" at services/reth.yaml:4:8: expected text, got the number 1.10',
      "put the value in quotes",
    ],
    [
      "command: /x\nhelth: {}\n",
      'cannot read service "reth" at services/reth.yaml:2:1: expected one of description, command,',
      "did you mean health?",
    ],
    [
      "command: /x\nhealth:\n  http: {url: 'http://x/', bdy: x}\n",
      'at services/reth.yaml:3:28: expected one of url, method, body, headers, expect, got the unknown key "bdy"',
      "did you mean body?",
    ],
    ["command: /x\nhealth: {http: 'https://x/'}\n", 'expected an http:// address, got "https://x/"'],
    ["command: /x\nuser: Root\n", 'expected an account\'s name of lower-case letters, digits, - and _, got "Root"'],
    [
      "command: /x\nhealth: {interval: 5s}\n",
      'cannot read "health" of service "reth" at services/reth.yaml:2:9: expected one of http, tcp, exec, got none',
    ],
    ["command: /x\nhealth: {tcp: 1, exec: /x}\n", "expected one of http, tcp, exec, got several"],
    [
      "command: /x\nhealth: {tcp: 70000}\n",
      '"health.tcp" of service "reth" at services/reth.yaml:2:15: expected a port 1..65535, or host:port, got "70000"',
    ],
    ["command: /x\nrestart: {delay: 5 minutes}\n", 'expected a duration such as 5s or 2min, got "5 minutes"'],
    [
      "command: /x\nrestart: {delay: 40s, maxDelay: 30s}\n",
      'at services/reth.yaml:2:33: expected at least the delay of 40s, got "30s"',
    ],
    [
      "command: /x\nlimits: {memory: lots}\n",
      'at services/reth.yaml:2:18: expected a size such as 512M or 2G, got "lots"',
    ],
    [
      "command: /x\nlimits: {cpu: 2}\n",
      "expected a percentage such as 200%, got the number 2",
      "put the value in quotes",
    ],
    ["command: /x\nlimits: {tasks: 1.5}\n", "expected a whole number 1..4194304, got the number 1.5"],
    ["command: /x\nafter: network.target\n", 'at services/reth.yaml:2:8: expected a list, got "network.target"'],
    [
      "command: /x\nsandbox: {capabilities: [net_admin]}\n",
      'expected a capability such as CAP_NET_BIND_SERVICE, got "net_admin"',
    ],
    ["command: /x\nsandbox: {stateDirectories: [/etc]}\n", "expected a name below /var/lib, or a path below"],
    ["command: /x\nsandbox: {stateDirectories: [../x]}\n", "expected a name below /var/lib, or a path below"],
    ["command: /x\ntype: deamon\n", 'expected one of daemon, oneshot, got "deamon"'],
    [
      "command: /x\ncommand: /y\n",
      "at services/reth.yaml:2:1: expected one YAML 1.2 document, got a fault in it (map keys must be unique)",
    ],
    ["command: [/x\n", "expected one YAML 1.2 document, got a fault in it"],
    ["command: !x /x\n", "expected one YAML 1.2 document, got a fault in it"],
    ["- /x\n", "expected a mapping, got a list"],
  ])("%j", (text, message, hint) => {
    const error = fail(text);
    expect(error.message).toContain(message);
    expect(error).toMatchObject({ code: "profile-bad-declaration", hint });
    expect(error.details).toMatchObject({
      file: "services/reth.yaml",
      line: expect.any(Number),
      column: expect.any(Number),
    });
  });

  test("a file name that cannot be a service's", () => {
    expect(fail("command: /x\n", "services/My Node.yaml").message).toContain(
      'expected a file name of lower-case letters, digits, - and _, got "My Node.yaml"',
    );
  });

  test("aliases that grow", () => {
    const levels = Array.from(
      { length: 12 },
      (_, level) => `l${level}: &l${level} [${level === 0 ? "x" : `*l${level - 1}, *l${level - 1}, *l${level - 1}`}]`,
    );
    expect(fail(`command: /x\n${levels.join("\n")}\n`).message).toContain("expected few aliases, got too many");
  });
});

test("any text is a service or refused with a CvmError", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "command: ",
      "/x",
      "\n",
      "\n  ",
      "health:",
      " http: ",
      "tcp: 1",
      "limits: ",
      "{",
      "}",
      "[",
      "]",
      ", ",
      "- ",
      "&a",
      "*a",
      "!t",
    ),
    fc.constantFrom(
      "'",
      '"',
      ":",
      "#",
      "|",
      ">",
      "? ",
      "---\n",
      "...\n",
      "%",
      "5s",
      "1.10",
      "null",
      "__proto__: ",
      "after: ",
      "environment: ",
      "A: ",
    ),
    fc.string({ maxLength: 5 }),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 25 }).map((pieces) => pieces.join("")),
      (text) => {
        try {
          parse(text);
        } catch (error) {
          expect(error).toMatchObject({ name: "CvmError", code: "profile-bad-declaration" });
        }
      },
    ),
    { seed: 7, numRuns: 1500 },
  );
});
