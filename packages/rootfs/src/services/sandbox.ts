import type { ServiceDeclaration } from "@cvm-build/profile";
import type { UnitSetting } from "./unit-syntax.ts";

/**
 * What no service of ours needs. `MemoryDenyWriteExecute=` is left out, since virtual machines that compile at run time
 * would not start.
 * @see systemd.exec(5), "SANDBOXING"
 */
const STRICT: readonly UnitSetting[] = [
  ["NoNewPrivileges", "yes"],
  ["ProtectSystem", "strict"],
  ["ProtectHome", "yes"],
  ["PrivateTmp", "yes"],
  ["PrivateDevices", "yes"],
  ["ProtectClock", "yes"],
  ["ProtectControlGroups", "yes"],
  ["ProtectHostname", "yes"],
  ["ProtectKernelLogs", "yes"],
  ["ProtectKernelModules", "yes"],
  ["ProtectKernelTunables", "yes"],
  ["ProtectProc", "invisible"],
  ["RestrictNamespaces", "yes"],
  ["RestrictRealtime", "yes"],
  ["RestrictSUIDSGID", "yes"],
  ["LockPersonality", "yes"],
  ["RemoveIPC", "yes"],
  ["SystemCallArchitectures", "native"],
  ["SystemCallFilter", "@system-service"],
  ["SystemCallErrorNumber", "EPERM"],
  ["UMask", "0077"],
];

const ADDRESS_FAMILIES = {
  full: "AF_UNIX AF_INET AF_INET6 AF_NETLINK",
  loopback: "AF_UNIX AF_INET AF_INET6 AF_NETLINK",
  none: "AF_UNIX",
} as const;

/** Settings that confine a service as its declaration says. */
export function sandboxSettings({ sandbox }: ServiceDeclaration): UnitSetting[] {
  const capabilities = sandbox.capabilities.toSorted().join(" ");
  const settings = [...directorySettings(sandbox), ...networkSettings(sandbox.network)];
  if (capabilities !== "") settings.push(["AmbientCapabilities", capabilities]);
  if (sandbox.level === "off") return settings;
  return [
    ...settings,
    ["CapabilityBoundingSet", capabilities],
    ["RestrictAddressFamilies", ADDRESS_FAMILIES[sandbox.network]],
    ...STRICT,
  ];
}

/** Settings that confine the program which asks the service how it is: the same user, and nothing but the question. */
export function proberSandbox(service: ServiceDeclaration): UnitSetting[] {
  const { network } = service.sandbox;
  return [
    ...networkSettings(network),
    ["CapabilityBoundingSet", ""],
    ["RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"],
    ...STRICT,
  ];
}

/** Loopback only is enforced by a packet filter on the control group, which needs a kernel with CONFIG_CGROUP_BPF. */
function networkSettings(network: ServiceDeclaration["sandbox"]["network"]): UnitSetting[] {
  if (network === "none") return [["PrivateNetwork", "yes"]];
  if (network === "full") return [];
  return [
    ["IPAddressDeny", "any"],
    ["IPAddressAllow", "localhost"],
  ];
}

/** Directories that systemd makes, owns and lets the service write. The parent decides which setting it is. */
const DIRECTORY_SETTINGS = [
  ["/var/lib/", "StateDirectory"],
  ["/var/cache/", "CacheDirectory"],
  ["/var/log/", "LogsDirectory"],
  ["/run/", "RuntimeDirectory"],
] as const;

function directorySettings(sandbox: ServiceDeclaration["sandbox"]): UnitSetting[] {
  const paths = [
    ...sandbox.stateDirectories.map((path) => (path.startsWith("/") ? path : `/var/lib/${path}`)),
    ...sandbox.runtimeDirectories.map((path) => (path.startsWith("/") ? path : `/run/${path}`)),
  ];
  const settings: UnitSetting[] = [];
  for (const [parent, name] of DIRECTORY_SETTINGS) {
    const below = paths.filter((path) => path.startsWith(parent)).map((path) => path.slice(parent.length));
    if (below.length === 0) continue;
    settings.push([name, below.join(" ")], [`${name}Mode`, "0750"]);
    if (name === "RuntimeDirectory") settings.push(["RuntimeDirectoryPreserve", "restart"]);
  }
  const others = paths.filter((path) => !DIRECTORY_SETTINGS.some(([parent]) => path.startsWith(parent)));
  const writable = [...others, ...sandbox.readWritePaths];
  if (writable.length > 0) settings.push(["ReadWritePaths", writable.join(" ")]);
  return settings;
}
