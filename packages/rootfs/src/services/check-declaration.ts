import type { Probe, ServiceDeclaration } from "@cvm-build/profile";
import { declarationError } from "./declaration-error.ts";

const SERVICE_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const ACCOUNT_NAME = /^[a-z_][a-z0-9_-]{0,30}$/;
const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const CAPABILITY_NAME = /^CAP_[A-Z0-9_]+$/;
const ABSOLUTE_PATH = /^(?:\/[A-Za-z0-9_.@:+-]+)+$/;
const DIRECTORY_PATH = /^\/?[A-Za-z0-9_.@:+-]+(?:\/[A-Za-z0-9_.@:+-]+)*$/;
const HOST = /^[0-9A-Za-z:][0-9A-Za-z.:_-]*$/;

/**
 * Checks what a unit file could not carry, or would carry with another meaning. Free text is quoted where it is written.
 * @throws CvmError `service` naming the field
 */
export function checkDeclaration(service: ServiceDeclaration): void {
  const must = (field: string, value: string, pattern: RegExp, expected: string): void => {
    if (pattern.test(value) && !/(?:^|\/)\.\.?(?:\/|$)/.test(value)) return;
    throw declarationError(service, { field, expected, got: JSON.stringify(value) });
  };
  must("name", service.name, SERVICE_NAME, "letters, digits, - and _");
  must("user", service.user, ACCOUNT_NAME, "an account name");
  for (const group of service.groups) must("groups", group, ACCOUNT_NAME, "a group name");
  for (const name of Object.keys(service.environment)) must("environment", name, VARIABLE_NAME, "a variable's name");
  for (const name of service.sandbox.capabilities)
    must("capabilities", name, CAPABILITY_NAME, "a capability such as CAP_NET_RAW");
  must("command", service.command[0] ?? "", ABSOLUTE_PATH, "an absolute path");
  if (service.workingDirectory !== undefined)
    must("workingDirectory", service.workingDirectory, ABSOLUTE_PATH, "an absolute path");
  for (const path of service.sandbox.readWritePaths) must("readWritePaths", path, ABSOLUTE_PATH, "an absolute path");
  for (const path of service.sandbox.stateDirectories) must("stateDirectories", path, DIRECTORY_PATH, "a directory");
  for (const path of service.sandbox.runtimeDirectories)
    must("runtimeDirectories", path, DIRECTORY_PATH, "a directory");
  for (const probe of [service.readiness, service.health]) if (probe) checkProbe(service, probe, must);
  checkHealth(service);
}

function checkProbe(
  service: ServiceDeclaration,
  probe: Probe,
  must: (field: string, value: string, pattern: RegExp, expected: string) => void,
): void {
  if (probe.kind === "exec") must("exec", probe.command[0] ?? "", ABSOLUTE_PATH, "an absolute path");
  if (probe.kind === "tcp") must("tcp", probe.host, HOST, "a host name or address");
  if (probe.kind !== "http") return;
  const url = URL.canParse(probe.url) ? new URL(probe.url) : undefined;
  if (url?.protocol !== "http:" || url.username !== "") {
    throw declarationError(service, {
      field: "url",
      expected: "an http:// address",
      got: JSON.stringify(probe.url),
      hint: "a probe asks on the machine itself, where TLS adds nothing; use an exec or a tcp probe for other protocols",
    });
  }
  must("url", url.hostname.replace(/^\[|\]$/g, ""), HOST, "an address with a host");
  for (const [name, value] of Object.entries(probe.headers)) {
    must("headers", name, /^[A-Za-z0-9-]+$/, "a header's name");
    must("headers", value, /^[ -~]*$/, "printable ASCII");
  }
  if (probe.expect !== undefined) must("expect", probe.expect.replaceAll(".", ""), /^\P{Cc}+$/u, "text in one line");
}

function checkHealth(service: ServiceDeclaration): void {
  if (!service.health) return;
  if (service.type === "oneshot") {
    throw declarationError(service, { field: "health", expected: "absent for a oneshot", got: "a health check" });
  }
  if (service.restart.policy === "never") {
    const hint = "an unhealthy service is killed, and comes back by its restart policy";
    throw declarationError(service, {
      field: "restart.policy",
      expected: "always or on-failure beside health",
      got: "never",
      hint,
    });
  }
}
