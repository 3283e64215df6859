import type { FileTree } from "@cvm-build/fs-writer";
import { readContent } from "@cvm-build/fs-writer";
import type { ServiceDeclaration } from "@cvm-build/profile";
import { describe, expect, it } from "vitest";
import { profileFixture } from "../profile.fixture.ts";
import { treeFixture } from "../tree.fixture.ts";
import { serviceFixture } from "./service.fixture.ts";
import { servicesFinisher } from "./services.ts";

const PROGRAMS = {
  "/usr/lib/systemd/systemd": "systemd",
  "/usr/lib/systemd/system/network.target": "[Unit]",
  "/usr/bin/systemctl": "systemctl",
  "/usr/bin/busybox": "busybox",
  "/usr/bin/node": "node",
};
const tcp = { kind: "tcp", host: "127.0.0.1", port: 80 } as const;
const health = { ...tcp, intervalSec: 5, timeoutSec: 2, failures: 2, startPeriodSec: 10 };

function finish(tree: FileTree, services: ServiceDeclaration[]) {
  return servicesFinisher.finish(tree, { profile: profileFixture({}, { services }) } as never);
}

function text(tree: FileTree, path: string): string {
  const node = tree.get(path);
  return node?.kind === "file" ? readContent(node.content).toString() : `no ${path}`;
}

describe("servicesFinisher", () => {
  it("writes units, enables them and bounds the journal", async () => {
    const tree = treeFixture(PROGRAMS);
    const jwt = serviceFixture({ name: "jwt", type: "oneshot" });
    const node = serviceFixture({ after: ["jwt", "network.target"], requires: ["jwt"], health });
    const { summary, paths } = await finish(tree, [jwt, node]);
    expect(summary).toBe("jwt node; no ssh server");
    expect(paths.filter((path) => tree.get(path)?.kind !== "directory")).toEqual([
      "/usr/lib/cvm/probe",
      "/usr/lib/systemd/journald.conf.d/50-cvm.conf",
      "/usr/lib/systemd/system/cvm-kill-unhealthy@.service",
      "/usr/lib/systemd/system/jwt.service",
      "/usr/lib/systemd/system/multi-user.target.wants/jwt.service",
      "/usr/lib/systemd/system/multi-user.target.wants/node.service",
      "/usr/lib/systemd/system/node-health.service",
      "/usr/lib/systemd/system/node.service",
    ]);
    const unit = text(tree, "/usr/lib/systemd/system/node.service");
    expect(unit).toContain("After=jwt.service network.target\nRequires=jwt.service\nWants=node-health.service\n");
    expect(tree.get("/usr/lib/systemd/system/multi-user.target.wants/node.service")).toMatchObject({
      target: "../node.service",
      origin: { kind: "service", name: "node" },
    });
  });

  it("says which ssh server is in the image", async () => {
    const tree = treeFixture({ ...PROGRAMS, "/usr/sbin/sshd": "sshd" });
    expect((await finish(tree, [])).summary).toBe("no services; ssh server in the image: /usr/sbin/sshd");
  });

  it("has nothing to do without systemd and services", async () => {
    expect(await finish(treeFixture({}), [])).toEqual({ summary: "no systemd in the tree", paths: [] });
  });

  it.each([
    ["a name", { name: "a b" }, "name to be letters, digits, - and _"],
    ["a name that is another's health unit", { name: "node-health" }, "expected name to be its own"],
    ["a user", { user: "x\nExecStart=/bin/sh" }, "user to be an account name"],
    ["a group", { groups: ["%u"] }, "groups to be a group name"],
    ["a variable's name", { environment: { "A B": "" } }, "environment to be a variable's name"],
    ["a relative command", { command: ["node"] }, "command to be an absolute path"],
    ["a command that climbs", { command: ["/usr/../bin/x"] }, "command to be an absolute path"],
    ["a command that is not there", { command: ["/usr/bin/gone"] }, "a program in the image, got /usr/bin/gone"],
    ["a working directory", { workingDirectory: "/a b" }, "workingDirectory to be an absolute path"],
    ["an unknown service", { after: ["gone"] }, "after to be a service of the profile (node, other)"],
    ["a unit with specifiers", { after: ["%i.service"] }, "after to be a service"],
    ["a required unit that is not there", { after: ["x.service"], requires: ["x.service"] }, "a unit in the image"],
    ["requires beyond after", { requires: ["other"] }, "requires to be within after"],
    ["a cycle", { after: ["other"] }, "free of cycles, got node after other after node"],
    ["itself", { after: ["node"] }, "free of cycles, got node after node"],
    ["health of a oneshot", { type: "oneshot", health }, "health to be absent for a oneshot"],
    [
      "health without restarts",
      { health, restart: { ...serviceFixture().restart, policy: "never" } },
      "restart.policy to be always or on-failure beside health",
    ],
    [
      "TLS in a probe",
      { readiness: { kind: "http", url: "https://x/", method: "GET", headers: {}, timeoutSec: 1 } },
      "url to be an http:// address",
    ],
    [
      "a header with a line break",
      { readiness: { kind: "http", url: "http://x/", method: "GET", headers: { A: "b\r\nC: d" }, timeoutSec: 1 } },
      "headers to be printable ASCII",
    ],
    [
      "expectations of two lines",
      { readiness: { kind: "http", url: "http://x/", method: "GET", headers: {}, expect: "a\nb", timeoutSec: 1 } },
      "expect to be text in one line",
    ],
    [
      "a host that is an option",
      { readiness: { kind: "tcp", host: "-e", port: 1, timeoutSec: 1 } },
      "tcp to be a host",
    ],
    ["a path with spaces", { sandbox: { ...serviceFixture().sandbox, readWritePaths: ["/a /b"] } }, "readWritePaths"],
    ["a capability", { sandbox: { ...serviceFixture().sandbox, capabilities: ["ALL"] } }, "a capability such as"],
    ["a description of two lines", { description: "a\n[Service]" }, "cannot write"],
  ] satisfies [string, Partial<ServiceDeclaration>, string][])(
    "refuses %s",
    (_, changes: Partial<ServiceDeclaration>, message) => {
      const waitsBack = message.includes("after other") ? { after: ["node"] } : {};
      const others =
        changes.name === undefined ? [serviceFixture({ name: "other", ...waitsBack })] : [serviceFixture({ health })];
      expect(() => finish(treeFixture(PROGRAMS), [serviceFixture(changes), ...others])).toThrow(message);
    },
  );

  it.each([
    ["/usr/bin/busybox", { readiness: { ...tcp, timeoutSec: 5 } }, "add `busybox` to Packages="],
    ["/usr/bin/systemctl", { health }, "keep systemd's systemctl in the image"],
    ["/usr/lib/systemd/systemd", {}, "add `systemd` to Packages="],
  ] satisfies [string, Partial<ServiceDeclaration>, string][])(
    "names what to add without %s",
    (path, changes, hint) => {
      const tree = treeFixture(PROGRAMS);
      tree.delete(path);
      expect(() => finish(tree, [serviceFixture(changes)])).toThrow(expect.objectContaining({ hint }));
    },
  );
});
