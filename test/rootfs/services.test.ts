import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { contentOf, type FileTree } from "@cvm-build/fs-writer";
import { parseService, type ServiceDeclaration } from "@cvm-build/profile";
import { describe, expect, it } from "vitest";
import { serviceFixture } from "../../packages/rootfs/src/services/service.fixture.ts";
import { servicesFinisher } from "../../packages/rootfs/src/services/services.ts";
import { debianRoot } from "../support/trixie-root.ts";
import { forgetfulCache, profileOf, readFolder, temporaryFolder, writeFolder } from "./folder-tree.ts";

const root = debianRoot("trixie", ["base-files", "systemd", "busybox"]);
const UNITS = "/usr/lib/systemd/system";
const PROFILES = new URL("../../profiles/", import.meta.url).pathname;

/** The services of our own profiles, and one with everything that a declaration may say. */
function everyService(): ServiceDeclaration[] {
  const ours = ["dev", "reth-node"].flatMap((profile) =>
    readdirSync(join(PROFILES, profile, "services"))
      .filter((name) => name.endsWith(".yaml"))
      .map((name) => {
        const path = join(PROFILES, profile, "services", name);
        return { ...parseService(readFileSync(path, "utf8"), path), name: name.replace(/\.yaml$/, "") };
      }),
  );
  const full = serviceFixture({
    name: "full",
    description: "50% $HOME %n; all of it",
    command: ["/usr/bin/busybox", "echo", "a b", "$HOME", "%n", "\"'\\", "line\nbreak", ";", ""],
    environment: { A: '%h $B "\\\n', B: "" },
    groups: ["full-too"],
    workingDirectory: "/var/lib",
    after: ["reth", "network-online.target"],
    requires: ["reth"],
    readiness: { kind: "tcp", host: "127.0.0.1", port: 80, timeoutSec: 0.5 },
    health: {
      kind: "exec",
      command: ["/usr/bin/busybox", "true", "${X}"],
      intervalSec: 1.5,
      timeoutSec: 2,
      failures: 2,
      startPeriodSec: 0,
    },
    limits: { memoryMaxBytes: 1 << 28, cpuPercent: 50, tasksMax: 16, openFiles: 1024 },
    restart: { ...serviceFixture().restart, lastResort: "poweroff" },
    sandbox: {
      stateDirectories: ["/var/lib/full", "/var/cache/full"],
      runtimeDirectories: ["/run/full"],
      readWritePaths: ["/srv"],
      network: "none",
      capabilities: ["CAP_NET_BIND_SERVICE"],
      level: "strict",
    },
  });
  const open = serviceFixture({ name: "open", sandbox: { ...full.sandbox, network: "loopback", level: "off" } });
  return [...ours, full, { ...open, type: "oneshot", restart: { ...open.restart, lastResort: "reboot" } }];
}

/** Everything that the services run or need, in name only. */
function addPrograms(tree: FileTree, services: readonly ServiceDeclaration[]): void {
  const origin = { kind: "extra", name: "test" } as const;
  const units = ["nftables.service"].map(
    (unit) => [`${UNITS}/${unit}`, "[Service]\nType=oneshot\nExecStart=/usr/bin/busybox true\n"] as const,
  );
  const programs = services.map(({ command }) => [command[0]!, "#!/usr/bin/busybox sh\n"] as const);
  const mount = [
    `${UNITS}/var-lib-ethereum.mount`,
    "[Mount]\nWhat=tmpfs\nWhere=/var/lib/ethereum\nType=tmpfs\n",
  ] as const;
  for (const [path, text] of [...units, ...programs, mount]) {
    if (tree.has(path)) continue;
    tree.set(path, {
      kind: "file",
      mode: path.startsWith(UNITS) ? 0o644 : 0o755,
      uid: 0,
      gid: 0,
      mtimeSec: 0,
      origin,
      content: contentOf(text),
    });
  }
}

describe.skipIf(!root)("services beside systemd's own tools", () => {
  it("systemd-analyze verify has nothing to say about the units of our services", async () => {
    using folder = temporaryFolder();
    const tree = readFolder(root!.path, "/");
    const services = everyService();
    addPrograms(tree, services);
    await servicesFinisher.finish(tree, { profile: profileOf({ services }), cache: forgetfulCache(folder.path) });
    writeFolder(tree, folder.path, { from: "/" });
    const units = services.flatMap(({ name, health }) => [
      `${name}.service`,
      ...(health ? [`${name}-health.service`] : []),
    ]);
    const verify = (unit: string): string => verifyUnit(folder.path, unit);
    for (const unit of [...units, "cvm-kill-unhealthy@full.service"]) expect(verify(unit), unit).toBe("");
    const broken = readFileSync(join(folder.path, UNITS, "full.service"), "utf8").replace("Restart=", "Restrat=");
    writeFileSync(join(folder.path, UNITS, "broken.service"), broken);
    expect(verify("broken.service")).toContain("Unknown key 'Restrat'");
  });
});

/** What `systemd-analyze verify` says, on either channel. */
function verifyUnit(folder: string, unit: string): string {
  const libraries = ["usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/systemd"].map((name) =>
    join(root!.path, name),
  );
  const analyze = join(root!.path, "usr/bin/systemd-analyze");
  const loader = join(libraries[0]!, "ld-linux-x86-64.so.2");
  const args = ["verify", "--man=no", "--recursive-errors=no", `--root=${folder}`, `${UNITS}/${unit}`];
  const result = spawnSync(loader, ["--library-path", libraries.join(":"), analyze, ...args], {
    encoding: "utf8",
    env: { LC_ALL: "C", PATH: "/usr/bin:/bin" },
  });
  if (result.error) throw result.error;
  return result.stdout + result.stderr;
}
