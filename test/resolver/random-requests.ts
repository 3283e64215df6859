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
  ..."unbound util-linux vim whiptail wireguard-tools zfsutils-linux zstd awk mail-transport-agent httpd".split(" "),
  ..."java-runtime-headless time-daemon ntpsec python3-dev build-essential gcc golang rustc default-jdk".split(" "),
];

const RECOMMENDS_EVERY = 10;

/** Draws requests of one to six packages, by turns from all names and from those of servers. The same seed draws the same. */
export function drawRequests({ names, count, seed }: { names: string[]; count: number; seed: number }): AptRequest[] {
  const random = makeRandom(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  return Array.from({ length: count }, (_, at) => {
    const size = 1 + Math.floor(random() * 6);
    const packages = Array.from({ length: size }, () => pick(at % 2 === 0 ? names : SERVER_PACKAGES));
    // A mixed request brings server packages together with anything.
    if (at % 5 === 0) packages.push(pick(SERVER_PACKAGES));
    return { packages: [...new Set(packages)], withRecommends: at % RECOMMENDS_EVERY === RECOMMENDS_EVERY - 1 };
  });
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
