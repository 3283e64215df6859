import type { PackageUniverse } from "@cvm-build/resolver";
import type { AptRequest } from "./apt-peer.ts";

/** What images of servers are made of, with names that need a choice: virtual ones, alternatives, conflicts. */
const SERVER_PACKAGES = [
  ..."adduser apache2 apparmor apt auditd base-files bash bind9 busybox busybox-static ca-certificates chrony".split(
    " ",
  ),
  ..."cloud-init containerd coreutils cron cryptsetup curl dbus dbus-broker default-mta dnsmasq docker.io".split(" "),
  ..."dpkg dropbear e2fsprogs ethtool exim4 fail2ban gnupg grub-efi-amd64 haproxy initramfs-tools iproute2".split(" "),
  ..."iptables kmod less libnss-resolve libpam-systemd linux-image-cloud-amd64 logrotate lvm2 mariadb-server".split(
    " ",
  ),
  ..."mawk nano netcat-openbsd nftables nginx nodejs nsd openjdk-21-jre-headless openssh-server openssl".split(" "),
  ..."perl php-fpm podman postfix postgresql prometheus python3 python3-pip qemu-system-x86 redis-server".split(" "),
  ..."rsyslog ruby runit runc s6 samba squid sudo systemd systemd-boot systemd-boot-efi systemd-cryptsetup".split(" "),
  ..."systemd-resolved systemd-sysv systemd-timesyncd sysvinit-core tor tpm2-tools tzdata udev unattended-upgrades".split(
    " ",
  ),
  ..."unbound util-linux vim whiptail wireguard-tools zfsutils-linux zstd whois".split(" "),
  ..."ntpsec python3-dev build-essential gcc golang rustc default-jdk".split(" "),
];

/** Requests that took apt's problem resolver to mend, that it refuses, or that name no package as such. */
export const TELLING_REQUESTS: AptRequest[] = [
  "ntfy systemctl",
  "libunity9 opensysusers galileo-daemon",
  "wmshutdown libpam-elogind",
  "mailagent rmail",
  "tomcat10 systemd-standalone-tmpfiles",
  "dahdi-linux osmocom-dahdi-dkms",
  "php-bacon-qr-code php8.4-gmagick",
  "killer rmail",
  "varnish elogind mysqmail-pure-ftpd-logger",
  "libreoffice-script-provider-python libreoffice-core-nogui libreoffice-dmaths",
  "exim4 postfix",
  "systemd-sysv sysvinit-core",
  "awk",
  "mail-transport-agent",
  "no-such-package-at-all",
  "linux-image-6.*-cloud-amd64",
  "bash:amd64",
  "bash:arm64",
  "bash=0",
].map((packages) => ({ packages: packages.split(" "), withRecommends: false }));

const RECOMMENDS_EVERY = 10;

/** What kinds of requests are drawn, by turns. */
const KINDS = ["any", "server", "rivals", "mixed", "choices"] as const;

/**
 * Draws requests of one to seven packages: of all names, of those of servers, of both, and of packages that are in each other's way.
 * The same seed draws the same.
 */
export function drawRequests(
  universe: PackageUniverse,
  { count, seed }: { count: number; seed: number },
): AptRequest[] {
  const random = makeRandom(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const names = universe.names();
  const { enemies, dependents, choosers } = findContests(universe, names);
  const contested = [...enemies.keys()].sort();
  const avoidable = contested.filter((name) => choosers.has(name));
  const draw: Record<(typeof KINDS)[number], () => string[]> = {
    any: () => times(1 + Math.floor(random() * 6), () => pick(names)),
    server: () => times(1 + Math.floor(random() * 6), () => pick(SERVER_PACKAGES)),
    mixed: () => [...times(1 + Math.floor(random() * 4), () => pick(SERVER_PACKAGES)), pick(names), pick(names)],
    // Two that exclude each other, or what needs them.
    rivals: () => {
      const name = pick(contested);
      const withDependents = (each: string): string => pick([...(dependents.get(each) ?? []), each]);
      return [withDependents(name), withDependents(pick(enemies.get(name) ?? names))];
    },
    // Something that has a choice, and something that excludes what may be the first choice.
    choices: () => {
      const name = pick(avoidable);
      const packages = [pick(choosers.get(name) ?? names), pick(enemies.get(name) ?? names)];
      return random() < 0.3 ? packages.reverse() : [...packages, pick(choosers.get(pick(avoidable)) ?? names)];
    },
  };
  return times(count, (at) => {
    const packages = draw[KINDS[at % KINDS.length] as (typeof KINDS)[number]]();
    return { packages: [...new Set(packages)], withRecommends: at % RECOMMENDS_EVERY === RECOMMENDS_EVERY - 1 };
  });
}

type NamesByName = Map<string, string[]>;

/** Who excludes each package without regard to versions, who depends on it, and who depends on it or on something else. */
function findContests(
  universe: PackageUniverse,
  names: readonly string[],
): { enemies: NamesByName; dependents: NamesByName; choosers: NamesByName } {
  const found = { enemies: new Map(), dependents: new Map(), choosers: new Map() } satisfies Record<
    string,
    NamesByName
  >;
  for (const name of names) {
    for (const { field, alternatives } of universe.versionsOf(name)[0]?.dependencies ?? []) {
      for (const relation of alternatives) {
        const providers = universe.providersOf(relation.name).map(({ record }) => record.name);
        const targets = [...new Set([relation.name, ...providers])].filter((target) => {
          return target !== name && universe.versionsOf(target).length > 0;
        });
        const isChoice = alternatives.length > 1 || providers.length > 1;
        for (const target of targets) {
          if (field === "depends") add(found.dependents, target, name);
          if (field === "depends" && isChoice) add(found.choosers, target, name);
          // Most versioned ones speak of releases past.
          if ((field === "conflicts" || field === "breaks") && !relation.operator) add(found.enemies, target, name);
        }
      }
    }
  }
  return found;
}

function add(lists: NamesByName, key: string, name: string): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [name]);
  else list.push(name);
}

function times<Item>(count: number, make: (at: number) => Item): Item[] {
  return Array.from({ length: count }, (_, at) => make(at));
}

/** mulberry32: small, and the same everywhere. */
function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
