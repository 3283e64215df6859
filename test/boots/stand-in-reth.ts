import { gzipSync } from "node:zlib";
import { encodeAr, encodeTar } from "@cvm-build/fs-writer";

/** What the stand-in says of itself and of where it runs, as programs in the guest report it. */
export interface GuestFacts {
  user: string;
  groups: string;
  /** Command line without the program. */
  arguments: string;
  /** Mode, owner and group of the engine API's secret. */
  secretAttributes: string;
  /** How many lines of the secret are 64 hexadecimal digits and nothing else. */
  secretLines: string;
  /** Device, place, type and options of the file system for the data. */
  dataMount: string;
  /** Mode, owner and group of the service's own directory, to which it has written. */
  dataAttributes: string;
  /** Lines of /proc/self/status on capabilities, new privileges and the system call filter. */
  status: string;
  /** Local addresses, as hexadecimal, and ports on which TCP connections are taken, separated by blanks. */
  listening: string;
  /** Of the ports that the stand-in opened, those that answer it over the loopback interface. */
  answersInside: string;
  /** What it was able to do although it should not, separated by blanks. */
  liberties: string;
  /** What nft said when asked for the rules. */
  nft: string;
  /** Values of `KERNEL_SETTINGS`, separated by blanks. */
  kernelSettings: string;
}

/** Ports that the stand-in opens: those of reth, but on every interface, so that only the firewall keeps others away. */
export const PORTS = { rpc: 8545, engine: 8551, metrics: 9001 } as const;

/** Files below /proc/sys whose first word the stand-in reports. */
export const KERNEL_SETTINGS = [
  "kernel/dmesg_restrict",
  "kernel/io_uring_disabled",
  "kernel/kptr_restrict",
  "kernel/unprivileged_bpf_disabled",
  "kernel/yama/ptrace_scope",
  "net/ipv4/conf/default/rp_filter",
] as const;

/**
 * A package with a shell script in place of reth. It ends at once where what reth needs is not there, listens where reth
 * would and answers JSON-RPC over HTTP: the method `standin_facts` with `GuestFacts`, every other one with 0x2a.
 */
export function makeStandInReth(): Buffer {
  const control =
    "Package: reth\nVersion: 1.11.2\nArchitecture: amd64\nMaintainer: t <t@example.org>\nDescription: t\n";
  return encodeAr([
    { name: "debian-binary", bytes: Buffer.from("2.0\n") },
    { name: "control.tar.gz", bytes: gzipSync(encodeTar([{ name: "./control", bytes: Buffer.from(control) }])) },
    {
      name: "data.tar.gz",
      bytes: gzipSync(encodeTar([{ name: "./usr/bin/reth", mode: 0o755, bytes: Buffer.from(PROGRAM) }])),
    },
  ]);
}

const PROGRAM = String.raw`#!/usr/bin/busybox sh
b=/usr/bin/busybox
data=/var/lib/ethereum/reth
secret=/run/engine-jwt/jwt.hex

answer() {
    length=0
    while read -r name value && [ "$name" != "$(printf '\r')" ]; do
        case $name in
        [Cc]ontent-[Ll]ength:) length=$(printf %s "$value" | $b tr -dc 0-9) ;;
        esac
    done
    case $($b head -c "$length") in
    *standin_facts*) result=$(facts) ;;
    *) result='"0x2a"' ;;
    esac
    printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n'
    printf '{"jsonrpc":"2.0","id":1,"result":%s}\n' "$result"
}

facts() {
    printf '{'
    fact user $b id -un
    fact groups $b id -Gn
    fact arguments $b cat $data/arguments
    fact secretAttributes $b stat -c '%a %U %G' $secret
    fact secretLines $b grep -cx '[0-9a-f]\{64\}' $secret
    fact dataMount $b grep ' /var/lib/ethereum ' /proc/mounts
    fact dataAttributes $b stat -c '%a %U %G' $data
    fact status $b grep -E '^(CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status
    fact listening $b awk '$4 == "0A" { split($2, at, ":"); printf "%s:%d ", at[1], "0x" at[2] }' /proc/net/tcp /proc/net/tcp6
    fact answersInside inside
    fact liberties liberties
    fact nft /usr/sbin/nft list ruleset
    fact kernelSettings settings
    printf '"end":""}'
}

fact() {
    name=$1
    shift
    printf '"%s":"%s",' "$name" "$("$@" 2>&1 | $b tr -s '\n\t"\\' ' ')"
}

inside() {
    for port in ${PORTS.engine} ${PORTS.metrics}; do
        $b wget -q -T 5 -O - --post-data '{}' http://127.0.0.1:$port/ | $b grep -q 0x2a && echo $port
    done
}

liberties() {
    : >/usr/bin/liberty && echo write-usr
    : >/etc/liberty && echo write-etc
    : >/var/lib/ethereum/liberty && echo write-beside-data
    $b cat /etc/shadow && echo read-shadow
    $b dmesg && echo read-kernel-log
    $b mount -t tmpfs none /mnt && echo mount
    $b kill -0 1 && echo signal-init
    $b mknod /tmp/liberty c 1 1 && echo make-device
    $b unshare -U $b true && echo user-namespace
    [ -e /proc/1/status ] && echo see-init
    [ -r /dev/tpmrm0 ] && echo read-tpm
} 2>/dev/null

settings() {
    for path in ${KERNEL_SETTINGS.join(" ")}; do
        $b cat /proc/sys/$path
    done
}

case $1 in
answer)
    answer
    ;;
*)
    set -e
    [ -r $secret ]
    printf %s "$*" >$data/arguments
    $b nc -ll -p ${PORTS.engine} -e $0 answer &
    $b nc -ll -p ${PORTS.metrics} -e $0 answer &
    exec $b nc -ll -p ${PORTS.rpc} -e $0 answer
    ;;
esac
`;
