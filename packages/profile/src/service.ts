import type { SourcePosition } from "./position.ts";

/** A service as its author declares it (`services/<name>.yaml`), whichever init system runs it. Times are in seconds. */
export interface ServiceDeclaration {
  name: string;
  position: SourcePosition;
  description: string;
  /** argv; the first element is an absolute path. */
  command: string[];
  /** `daemon` runs on; `oneshot` ends and is then done. */
  type: "daemon" | "oneshot";
  /** Account it runs as; made if it does not exist. Root only where written. */
  user: string;
  /** Supplementary groups; made if they do not exist. */
  groups: string[];
  environment: Record<string, string>;
  workingDirectory?: string;
  /** Services, or systemd units by full name, that must be *ready* before it starts. */
  after: string[];
  /** Those of `after` without which it must not run. */
  requires: string[];
  /** How one knows that it is ready. Absent: as soon as it runs (or has ended, if oneshot). */
  readiness?: Probe & { timeoutSec: number };
  /** An unhealthy service is restarted. */
  health?: Probe & { intervalSec: number; timeoutSec: number; failures: number; startPeriodSec: number };
  restart: {
    policy: "always" | "on-failure" | "never";
    delaySec: number;
    /** The delay grows to this over `backoffSteps` restarts. */
    maxDelaySec: number;
    backoffSteps: number;
    /** More than `limit` starts within `withinSec` give up… */
    limit: number;
    withinSec: number;
    /** …and then this happens. */
    lastResort: "none" | "reboot" | "poweroff";
  };
  limits: { memoryMaxBytes?: number; cpuPercent?: number; tasksMax?: number; openFiles?: number };
  sandbox: {
    /** Directories the service may write, made with its ownership: below /var/lib, /run, /var/cache, /var/log. */
    stateDirectories: string[];
    runtimeDirectories: string[];
    readWritePaths: string[];
    network: "full" | "loopback" | "none";
    /** Linux capabilities it keeps, such as CAP_NET_BIND_SERVICE. */
    capabilities: string[];
    /** `strict` (the default) or `off`, for those that must see everything. */
    level: "strict" | "off";
  };
}

/** A question asked of a service. */
export type Probe =
  | { kind: "tcp"; port: number; host: string }
  /** A request; good on status 200..299 (or `status`) and, where given, a body that contains `expect`. */
  | {
      kind: "http";
      url: string;
      method: "GET" | "POST";
      body?: string;
      headers: Record<string, string>;
      expect?: string;
    }
  /** argv; good on exit status 0. */
  | { kind: "exec"; command: string[] };
