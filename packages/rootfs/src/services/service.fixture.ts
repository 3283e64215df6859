import type { ServiceDeclaration } from "@cvm-build/profile";

/** A service with every default, and what a test changes. */
export function serviceFixture(changes: Partial<ServiceDeclaration> = {}): ServiceDeclaration {
  return {
    name: "node",
    position: { file: "services/node.yaml", line: 1, column: 1 },
    description: "Node",
    command: ["/usr/bin/node"],
    type: "daemon",
    user: "node",
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
    ...changes,
  };
}
