import type { z as Zod } from "zod";
import { PERCENTAGE } from "./quantity.ts";
import { jsonSchemaOf, type SchemaParts, schemaParts, zod } from "./schema.ts";

let made: ReturnType<typeof makeServiceSchema> | undefined;

/** The schema of `services/NAME.yaml`, made once. */
export function serviceSchema(): ReturnType<typeof makeServiceSchema> {
  made ??= makeServiceSchema(zod());
  return made;
}

/** What an author writes in `services/NAME.yaml`. */
export type WrittenService = Zod.output<ReturnType<typeof makeServiceSchema>>;

/** What an author writes to have a question asked. */
export type WrittenProbe = Pick<NonNullable<WrittenService["health"]>, "http" | "tcp" | "exec">;

/** Gives the JSON Schema (draft 2020-12) of a service's file, for editors. */
export function serviceJsonSchema(): Record<string, unknown> {
  return jsonSchemaOf(serviceSchema(), "cvm-build service");
}

function makeServiceSchema(z: typeof Zod) {
  const parts = schemaParts(z);
  const { text, account, command, list, mapping, oneOf, duration, absolutePath } = parts;
  const reference = text("a service's name, or a systemd unit with its suffix", /^[A-Za-z0-9:_.\\@-]+$/);
  return mapping({
    description: text("a sentence").optional().describe("What the service is, in a few words. Default: its name."),
    command: command.describe(
      "What to run: a command line (quotes group, nothing is expanded) or a list; the program by absolute path.",
    ),
    type: oneOf(["daemon", "oneshot"]).optional().describe("Whether it runs on (default) or ends and is then done."),
    user: account.optional().describe("Account that it runs as, made if needed. Default: the service's name."),
    groups: list(account).optional().describe("Further groups of the account, made if needed."),
    environment: z
      .record(text("a variable's name", /^[A-Za-z_][A-Za-z0-9_]*$/), text("text"), { error: "a mapping" })
      .optional()
      .describe("Variables; every value is text."),
    workingDirectory: absolutePath.optional(),
    after: list(reference).optional().describe("Services and units that must be ready before it starts."),
    requires: list(reference).optional().describe("Those without which it must not run; they are waited for too."),
    readiness: mapping({ ...makeProbeShape(z, parts), timeout: duration.optional().describe("Default: 60s.") })
      .optional()
      .describe("How one knows that it is ready. Default: as soon as it runs, or has ended if oneshot."),
    health: mapping({
      ...makeProbeShape(z, parts),
      interval: duration.optional().describe("Between two questions. Default: 10s."),
      timeout: duration.optional().describe("For one answer. Default: 5s."),
      failures: parts.whole(1, 1000).optional().describe("In a row until it is restarted. Default: 3."),
      startPeriod: duration.optional().describe("After a start during which failures do not count. Default: 60s."),
    })
      .optional()
      .describe("How one knows that it still works; an unhealthy service is restarted."),
    restart: makeRestart(parts).optional(),
    limits: mapping({
      memory: parts.size.optional().describe("Most memory, such as 512M or 2G."),
      cpu: text("a percentage such as 200%", PERCENTAGE)
        .optional()
        .describe("Most processor time; 200% is two processors."),
      tasks: parts.whole(1, 4_194_304).optional().describe("Most threads."),
      openFiles: parts.whole(1, 1_073_741_816).optional().describe("Most open files."),
    }).optional(),
    sandbox: makeSandbox(parts).optional(),
  });
}

function makeRestart({ mapping, oneOf, duration, whole }: SchemaParts) {
  return mapping({
    policy: oneOf(["always", "on-failure", "never"]).optional().describe("Default: always; on-failure for a oneshot."),
    delay: duration.optional().describe("Before the first restart. Default: 1s."),
    maxDelay: duration.optional().describe("What the delay grows to. Default: 30s."),
    backoffSteps: whole(0, 100).optional().describe("Restarts over which it grows. Default: 5."),
    limit: whole(1, 100_000).optional().describe("Starts within `within` after which it is given up. Default: 10."),
    within: duration.optional().describe("Default: 600s."),
    lastResort: oneOf(["none", "reboot", "poweroff"]).optional().describe("What happens then. Default: none."),
  });
}

function makeSandbox({ mapping, text, list, oneOf, absolutePath }: SchemaParts) {
  return mapping({
    stateDirectories: list(
      text("a name below /var/lib, or a path below /var/lib, /var/cache, /var/log or /run", STATE_DIRECTORY),
    )
      .optional()
      .describe("Directories that it may write, made with its ownership; `reth` stands for /var/lib/reth."),
    runtimeDirectories: list(text("a name below /run, or a path below /run", RUNTIME_DIRECTORY))
      .optional()
      .describe("The same below /run, gone when it stops; `reth` stands for /run/reth."),
    readWritePaths: list(absolutePath).optional().describe("Other paths that it may write."),
    network: oneOf(["full", "loopback", "none"]).optional().describe("Default: full."),
    capabilities: list(text("a capability such as CAP_NET_BIND_SERVICE", /^CAP_[A-Z][A-Z_]*$/))
      .optional()
      .describe("Linux capabilities that it keeps. Default: none."),
    level: oneOf(["strict", "off"])
      .optional()
      .describe("`off` only for those that must see everything. Default: strict."),
  });
}

/** A name, or a path without `.` and `..`. */
const PART = String.raw`(?!\.{1,2}(?:/|$))[A-Za-z0-9._@-]+`;
const STATE_DIRECTORY = new RegExp(`^(?:/(?:var/lib|var/cache|var/log|run)/)?${PART}(?:/${PART})*$`);
const RUNTIME_DIRECTORY = new RegExp(`^(?:/run/)?${PART}(?:/${PART})*$`);

function makeProbeShape(z: typeof Zod, { text, mapping, oneOf, command, numberOrText }: SchemaParts) {
  const address = text("an http:// address", /^http:\/\/[^\s"<>@]+$/);
  return {
    http: z
      .union(
        [
          address,
          mapping({
            url: address,
            method: oneOf(["GET", "POST"]).optional().describe("Default: POST with a body, else GET."),
            body: text("text").optional(),
            headers: z
              .record(text("a header's name", /^[A-Za-z0-9-]+$/), text("text", /^[^\r\n\0]*$/), { error: "a mapping" })
              .optional(),
            expect: text("text", /[\s\S]/)
              .optional()
              .describe("Text that the answer must contain."),
          }),
        ],
        { error: "an http address, or a mapping with url" },
      )
      .optional()
      .describe("A request; good on status 200..299 and, where given, an answer that contains `expect`."),
    tcp: numberOrText(1, /^[A-Za-z0-9.:[\]-]+:[0-9]{1,5}$/, "a port 1..65535, or host:port")
      .optional()
      .describe("A connection that must come about; the host is 127.0.0.1 unless given."),
    exec: command.optional().describe("A command that must end with status 0; the program by absolute path."),
  };
}
