import type { ServiceDeclaration } from "@cvm-build/profile";
import { describe, expect, it } from "vitest";
import { formatHealthUnit, formatKillUnit } from "./health-unit.ts";
import { formatJournaldLimits } from "./journald.ts";
import { serviceFixture } from "./service.fixture.ts";
import { formatServiceUnit } from "./service-unit.ts";

const question = {
  kind: "http",
  url: "http://127.0.0.1:8545/",
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: '{"method":"eth_blockNumber"}',
  expect: '"result":"0x',
} as const;

const reth = serviceFixture({
  name: "reth",
  description: "Ethereum node, 100% of it",
  command: ["/usr/bin/reth", "node", "--datadir=/var/lib/ethereum/reth"],
  user: "reth",
  groups: ["engine-jwt"],
  environment: { HOME: "/var/lib/ethereum/reth", GREETING: "a b" },
  readiness: { ...question, timeoutSec: 120 },
  health: { ...question, intervalSec: 10, timeoutSec: 5, failures: 3, startPeriodSec: 60 },
  limits: { memoryMaxBytes: 1 << 30, cpuPercent: 150, tasksMax: 4096, openFiles: 1_048_576 },
});
const { health } = reth;
const none = { after: [], requires: [] };

function lines(changes: Partial<ServiceDeclaration>): string[] {
  return formatServiceUnit(serviceFixture(changes), none).split("\n");
}

describe("units", () => {
  it("of a service with everything", () => {
    const dependencies = { after: ["engine-jwt.service", "nftables.service"], requires: ["engine-jwt.service"] };
    expect(formatServiceUnit(reth, dependencies)).toMatchInlineSnapshot(`
      "# Written by cvm-build from the declaration of service reth.

      [Unit]
      Description=Ethereum node, 100%% of it
      After=engine-jwt.service nftables.service
      Requires=engine-jwt.service
      Wants=reth-health.service
      StartLimitIntervalSec=600s
      StartLimitBurst=10
      StartLimitAction=none

      [Service]
      Type=exec
      ExecStart=/usr/bin/reth node --datadir=/var/lib/ethereum/reth
      ExecStartPost=/usr/bin/busybox sh /usr/lib/cvm/probe wait 5 http 127.0.0.1 8545 "\\"result\\":\\"0x" "POST / HTTP/1.0\\r\\nHost: 127.0.0.1:8545\\r\\nConnection: close\\r\\nContent-Length: 28\\r\\nContent-Type: application/json\\r\\n\\r\\n{\\"method\\":\\"eth_blockNumber\\"}"
      TimeoutStartSec=120s
      ExecStopPost=-+/usr/bin/systemctl stop --no-block --job-mode=fail reth-health.service
      TimeoutStopSec=30s
      Environment="GREETING=a b"
      Environment=HOME=/var/lib/ethereum/reth
      User=reth
      SupplementaryGroups=engine-jwt
      Restart=always
      RestartMode=direct
      RestartSec=1s
      RestartSteps=5
      RestartMaxDelaySec=30s
      MemoryMax=1073741824
      CPUQuota=150%
      TasksMax=4096
      LimitNOFILE=1048576
      CapabilityBoundingSet=
      RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
      NoNewPrivileges=yes
      ProtectSystem=strict
      ProtectHome=yes
      PrivateTmp=yes
      PrivateDevices=yes
      ProtectClock=yes
      ProtectControlGroups=yes
      ProtectHostname=yes
      ProtectKernelLogs=yes
      ProtectKernelModules=yes
      ProtectKernelTunables=yes
      ProtectProc=invisible
      RestrictNamespaces=yes
      RestrictRealtime=yes
      RestrictSUIDSGID=yes
      LockPersonality=yes
      RemoveIPC=yes
      SystemCallArchitectures=native
      SystemCallFilter=@system-service
      SystemCallErrorNumber=EPERM
      UMask=0077
      "
    `);
  });

  it("of its health check", () => {
    expect(formatHealthUnit(reth, health!)).toMatchInlineSnapshot(`
      "# Written by cvm-build from the declaration of service reth.

      [Unit]
      Description=Health of Ethereum node, 100%% of it
      BindsTo=reth.service
      After=reth.service
      OnFailure=cvm-kill-unhealthy@reth.service
      OnFailureJobMode=replace
      StartLimitIntervalSec=0

      [Service]
      Type=exec
      ExecStart=/usr/bin/busybox sh /usr/lib/cvm/probe watch 10 5 3 6 http 127.0.0.1 8545 "\\"result\\":\\"0x" "POST / HTTP/1.0\\r\\nHost: 127.0.0.1:8545\\r\\nConnection: close\\r\\nContent-Length: 28\\r\\nContent-Type: application/json\\r\\n\\r\\n{\\"method\\":\\"eth_blockNumber\\"}"
      SuccessExitStatus=143
      TimeoutStopSec=5s
      User=reth
      SupplementaryGroups=engine-jwt
      MemoryMax=33554432
      TasksMax=32
      CapabilityBoundingSet=
      RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
      NoNewPrivileges=yes
      ProtectSystem=strict
      ProtectHome=yes
      PrivateTmp=yes
      PrivateDevices=yes
      ProtectClock=yes
      ProtectControlGroups=yes
      ProtectHostname=yes
      ProtectKernelLogs=yes
      ProtectKernelModules=yes
      ProtectKernelTunables=yes
      ProtectProc=invisible
      RestrictNamespaces=yes
      RestrictRealtime=yes
      RestrictSUIDSGID=yes
      LockPersonality=yes
      RemoveIPC=yes
      SystemCallArchitectures=native
      SystemCallFilter=@system-service
      SystemCallErrorNumber=EPERM
      UMask=0077
      "
    `);
  });

  it("that kills, and journald's limits", () => {
    expect(formatKillUnit() + formatJournaldLimits()).toMatchInlineSnapshot(`
      "# Written by cvm-build: kills a service whose health check has failed.

      [Unit]
      Description=Kill of the unhealthy service %i
      StartLimitIntervalSec=0

      [Service]
      Type=oneshot
      ExecStart=/usr/bin/systemctl kill --kill-whom=all --signal=SIGKILL %i.service
      ProtectSystem=strict
      ProtectHome=yes
      NoNewPrivileges=yes
      CapabilityBoundingSet=
      RestrictAddressFamilies=AF_UNIX
      PrivateNetwork=yes
      SystemCallFilter=@system-service
      SystemCallArchitectures=native
      # Written by cvm-build: the journal is in memory, rotated and bounded.

      [Journal]
      Storage=volatile
      RuntimeMaxUse=64M
      RuntimeMaxFileSize=8M
      SystemMaxUse=64M
      SystemMaxFileSize=8M
      RateLimitIntervalSec=30s
      RateLimitBurst=10000
      ForwardToSyslog=no
      ForwardToWall=no
      "
    `);
  });

  it("of a oneshot stays active and is only restarted when it fails", () => {
    const unit = lines({ type: "oneshot" });
    expect(unit).toEqual(expect.arrayContaining(["Type=oneshot", "RemainAfterExit=yes", "Restart=on-failure"]));
  });

  it.each([
    ["never", { policy: "never" }, ["Restart=no"], ["RestartSec=1s"]],
    ["without backoff", { backoffSteps: 0 }, ["RestartSec=1s"], ["RestartSteps=0"]],
    ["with a last resort", { lastResort: "reboot", limit: 3 }, ["StartLimitAction=reboot", "StartLimitBurst=3"], []],
  ] satisfies [string, Partial<ServiceDeclaration["restart"]>, string[], string[]][])(
    "restarts %s",
    (_, restart, present, absent) => {
      const unit = lines({ restart: { ...serviceFixture().restart, ...restart } });
      expect(unit).toEqual(expect.arrayContaining(present));
      for (const line of absent) expect(unit).not.toContain(line);
    },
  );

  it.each([
    ["loopback", { network: "loopback" }, ["IPAddressDeny=any", "IPAddressAllow=localhost"], ["PrivateNetwork=yes"]],
    ["none", { network: "none" }, ["PrivateNetwork=yes", "RestrictAddressFamilies=AF_UNIX"], ["IPAddressDeny=any"]],
    ["off", { level: "off" }, [], ["ProtectSystem=strict", "CapabilityBoundingSet="]],
    [
      "capabilities",
      { capabilities: ["CAP_SYS_TIME", "CAP_NET_BIND_SERVICE"] },
      [
        "AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_SYS_TIME",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_SYS_TIME",
      ],
      [],
    ],
    [
      "directories",
      {
        stateDirectories: ["/var/lib/a/b", "c", "/var/cache/d", "/srv/e"],
        runtimeDirectories: ["/run/f"],
        readWritePaths: ["/g"],
      },
      [
        "StateDirectory=a/b c",
        "CacheDirectory=d",
        "RuntimeDirectory=f",
        "RuntimeDirectoryPreserve=restart",
        "ReadWritePaths=/srv/e /g",
      ],
      [],
    ],
  ] satisfies [string, Partial<ServiceDeclaration["sandbox"]>, string[], string[]][])(
    "sandbox %s",
    (_, sandbox, present, absent) => {
      const unit = lines({ sandbox: { ...serviceFixture().sandbox, ...sandbox } });
      expect(unit).toEqual(expect.arrayContaining(present));
      for (const line of absent) expect(unit).not.toContain(line);
    },
  );

  it("asks in the service's own network where it has no other", () => {
    const service = { ...reth, sandbox: { ...reth.sandbox, network: "none" as const } };
    expect(formatHealthUnit(service, health!)).toContain("JoinsNamespaceOf=reth.service\n");
  });
});
