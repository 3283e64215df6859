/** Where the probe program lies in the image. */
export const PROBE_PATH = "/usr/lib/cvm/probe";
/** The only program that probes need: shell, nc, timeout, sleep, head and grep in one. */
export const BUSYBOX_PATH = "/usr/bin/busybox";

/**
 * Asks a service how it is. Everything it needs comes as arguments and none of them is ever evaluated. `nc -e` gives the
 * dialogue the connection itself, so that nothing is shut down before the answer is there.
 */
export const PROBE_SCRIPT = String.raw`# Asks a service how it is; run by busybox. Written by cvm-build.
#   probe wait TIMEOUT QUESTION                           returns when the answer is good; fails when the service has
#                                                         died, whose process systemd names in MAINPID
#   probe watch INTERVAL TIMEOUT FAILURES GRACE QUESTION  fails after FAILURES bad answers in a row; the first GRACE
#                                                         bad ones do not count, until there was a good one
# QUESTION: tcp HOST PORT | http HOST PORT EXPECT REQUEST | exec COMMAND...
busybox=/usr/bin/busybox
mode=$1
shift

ask() {
    limit=$1
    shift
    "$busybox" timeout -k 1 "$limit" "$busybox" sh "$0" ask "$@" </dev/null >/dev/null 2>&1
}

case $mode in
wait)
    until ask "$@"; do
        [ -z "$MAINPID" ] || kill -0 "$MAINPID" 2>/dev/null || exit 1
        "$busybox" sleep 0.5
    done
    ;;
watch)
    interval=$1 limit=$2 failures=$3 grace=$4
    shift 4
    bad=0
    while :; do
        "$busybox" sleep "$interval" &
        pause=$!
        if ask "$limit" "$@"; then
            bad=0
            grace=0
        elif [ "$grace" -gt 0 ]; then
            grace=$((grace - 1))
        else
            bad=$((bad + 1))
            echo "bad answer, $bad of $failures"
            [ "$bad" -lt "$failures" ] || exit 1
        fi
        wait "$pause"
    done
    ;;
ask)
    kind=$1
    shift
    case $kind in
    exec) exec "$@" ;;
    tcp) exec "$busybox" nc "$1" "$2" -e "$busybox" true ;;
    http) exec "$busybox" nc "$1" "$2" -e "$busybox" sh "$0" talk "$3" "$4" ;;
    esac
    exit 2
    ;;
talk)
    printf %s "$2"
    read -r version status reason || exit 1
    case $version-$status in
    HTTP/*-2[0-9][0-9]*) ;;
    *) exit 1 ;;
    esac
    [ -n "$1" ] || exit 0
    return=$(printf '\r')
    while read -r line; do
        [ "$line" != "$return" ] && [ -n "$line" ] || break
    done
    "$busybox" head -c 1048576 | "$busybox" grep -q -F -e "$1"
    ;;
*)
    exit 2
    ;;
esac
`;
