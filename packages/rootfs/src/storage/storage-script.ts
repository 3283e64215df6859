import { BUSYBOX_PATH } from "../services/probe-script.ts";

/** Where the program lies in the image. */
export const STORAGE_PATH = "/usr/lib/cvm/storage";
/** Where the awk program lies that it reads headers with. */
export const HEADER_CHECK_PATH = "/usr/lib/cvm/luks-header.awk";
/** Where a program of the image puts the key that it brings, readable by root alone. */
export const RUNTIME_KEY_DIRECTORY = "/run/cvm/keys";
/** The file system as the program has mounted it, which the unit of the mount point shows elsewhere. */
export const STORAGE_MOUNT = "/run/cvm/storage/data";

/**
 * Where a system finds the policies that its UKI carries. systemd-stub puts them into the initrd, among files to which a host
 * adds nothing unseen: the key is in PCR 11, and what comes from beside the UKI in PCR 12 or 13. A system that leaves its
 * initrd behind has the copy that the initrd made in /run, and nothing of its own at the first place.
 */
export const POLICY_DIRECTORIES = { initrd: "/.extra", copied: "/run/systemd" } as const;

/** Programs beside busybox. Where one is missing, `package` of Debian has it. */
export const STORAGE_PROGRAMS = {
  cryptsetup: { path: "/usr/sbin/cryptsetup", package: "cryptsetup-bin" },
  e2fsck: { path: "/usr/sbin/e2fsck", package: "e2fsprogs" },
  mke2fs: { path: "/usr/sbin/mke2fs", package: "e2fsprogs" },
  udevadm: { path: "/usr/bin/udevadm", package: "udev" },
  systemdCryptenroll: { path: "/usr/bin/systemd-cryptenroll", package: "systemd-cryptsetup" },
  systemdCryptsetup: { path: "/usr/bin/systemd-cryptsetup", package: "systemd-cryptsetup" },
  systemdPcrextend: { path: "/usr/lib/systemd/systemd-pcrextend", package: "systemd" },
} as const;

/** Where the data begins: everything before it is the header. */
export const DATA_OFFSET_BYTES = 16 << 20;

/**
 * Makes, opens and closes the disk. Nothing of it is ever evaluated. What is on the disk is the host's word and may change
 * at any time: the header is copied once, and the copy is what is checked and what is used.
 */
export const STORAGE_SCRIPT = String.raw`# Makes, opens and closes the encrypted disk for data; run by busybox. Written by cvm-build.
#   storage open | close
#   storage check HEADER    says whether a LUKS header is one that this image would have made
# Settings are variables: DISK_BY DISK_NAME KEY INTEGRITY MISSING, DISK_TIMEOUT KEY_TIMEOUT in seconds, and POLICIES, where the
# signed policies for PCR 11 are.
busybox=${BUSYBOX_PATH}
cryptsetup=${STORAGE_PROGRAMS.cryptsetup.path}
header_check=${HEADER_CHECK_PATH}
state=/run/cvm/storage
header=$state/header
mounted=${STORAGE_MOUNT}
volume=cvm-data
mapped=/dev/mapper/$volume
public_key=$POLICIES/tpm2-pcr-public-key.pem
signature=$POLICIES/tpm2-pcr-signature.json
secure_boot=/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
brought_key=${RUNTIME_KEY_DIRECTORY}/data.key
header_bytes=${DATA_OFFSET_BYTES}
mount_options=nosuid,nodev,noexec
# Without udev's rules for device-mapper nobody would answer its questions.
export DM_DISABLE_UDEV=1
umask 077

say() {
    echo "cvm-storage: $*"
}

refuse() {
    say "refused: $*" >&2
    [ ! -e "$mapped" ] || "$cryptsetup" close "$volume"
    forget
    exit 1
}

forget() {
    for secret in "$state/first-key" "$brought_key"; do
        [ ! -f "$secret" ] || "$busybox" shred -n 1 -u "$secret"
    done
    "$busybox" rm -f "$header" "$state/metadata" "$state/log"
}

# Shows what a program says only where it fails.
quietly() {
    "$@" >"$state/log" 2>&1 </dev/null && return
    "$busybox" cat "$state/log" >&2
    return 1
}

now() {
    "$busybox" cut -d . -f 1 /proc/uptime
}

# What a file of sysfs says, without what has no place in a name.
attribute() {
    "$busybox" cat "$1" 2>/dev/null | "$busybox" tr -cd 'A-Za-z0-9._{}-'
}

disks() {
    cd /sys/block || return
    for name in *; do
        [ -e "$name/device" ] || continue
        [ "$(attribute "$name/hidden")" != 1 ] && [ "$(attribute "$name/size")" != 0 ] && echo "$name"
    done
}

partitions() {
    cd /sys/class/block || return
    for name in *; do
        [ -e "$name/partition" ] && [ "$(attribute "$name/size")" != 0 ] && echo "$name"
    done
}

# Only who is asked for a partition is shown any.
candidates() {
    case $DISK_BY in
    partlabel | partuuid) partitions ;;
    *) disks ;;
    esac
}

serial_of() {
    path=/sys/block/$1
    if [ -e "$path/serial" ]; then
        attribute "$path/serial"
    elif [ -e "$path/device/vpd_pg80" ]; then
        "$busybox" tail -c +5 "$path/device/vpd_pg80" | "$busybox" tr -cd 'A-Za-z0-9._-'
    else
        attribute "$path/device/serial"
    fi
}

# Azure's data disks are on SCSI controllers of their own, or namespaces that begin at 2.
lun_of() {
    device=$("$busybox" readlink -f "/sys/block/$1/device")
    if [ "$(attribute "$device/model")" = MSFTNVMeAcceleratorv1.0 ]; then
        echo $(($(attribute "/sys/block/$1/nsid") - 2))
        return
    fi
    lun=$("$busybox" basename "$device" | "$busybox" cut -s -d : -f 4)
    while [ "$device" != / ]; do
        case $(attribute "$device/device_id") in
        '' | "{f8b3781"[bcd]"-1e82-4818-a1c3-63d806ec15bb}") ;;
        *) return ;;
        esac
        device=$("$busybox" dirname "$device")
    done
    echo "$lun"
}

# What the table of partitions says; the kernel replaces what cannot be printed.
event_of() {
    "$busybox" sed -n "s/^$2=//p" "/sys/class/block/$1/uevent" | "$busybox" tr -cd 'A-Za-z0-9._-'
}

partlabel_of() {
    event_of "$1" PARTNAME
}

partuuid_of() {
    event_of "$1" PARTUUID
}

# LUKS, version 2, and 24 bytes into the header its label.
label_of() {
    label_in "/dev/$1"
}

label_in() {
    [ "$("$busybox" head -c 8 "$1" | "$busybox" xxd -p)" = 4c554b53babe0002 ] || return
    "$busybox" dd if="$1" bs=8 skip=3 count=6 2>/dev/null | "$busybox" tr -cd 'A-Za-z0-9._-'
}

find_disk() {
    found=
    for candidate in $(candidates); do
        [ "$("$DISK_BY"_of "$candidate")" = "$DISK_NAME" ] || continue
        [ -z "$found" ] || refuse "$found and $candidate are both $DISK_BY:$DISK_NAME"
        found=$candidate
    done
    [ -n "$found" ]
}

# A disk that shall get a label has none yet: it is the only one with nothing on it.
find_blank_disk() {
    found=
    for candidate in $(disks); do
        copy_header "/dev/$candidate" && is_blank || continue
        [ -z "$found" ] || refuse "$found and $candidate are both blank, and no disk is $DISK_BY:$DISK_NAME"
        found=$candidate
    done
    [ -n "$found" ]
}

wait_for_disk() {
    ${STORAGE_PROGRAMS.udevadm.path} settle --timeout="$DISK_TIMEOUT"
    deadline=$(($(now) + DISK_TIMEOUT))
    until find_disk; do
        if [ "$(now)" -ge "$deadline" ]; then
            [ "$DISK_BY" = label ] && find_blank_disk
            return
        fi
        "$busybox" sleep 0.5
    done
}

copy_header() {
    "$busybox" head -c "$header_bytes" "$1" >"$header" 2>/dev/null &&
        [ "$("$busybox" stat -c %s "$header")" = "$header_bytes" ]
}

is_blank() {
    [ "$("$busybox" tr -d '\000' <"$header" 2>/dev/null | "$busybox" head -c 1 | "$busybox" wc -c)" = 0 ]
}

# Says what is wrong with a header, and nothing where it is one that this image would have made.
check_header() {
    "$cryptsetup" luksDump --dump-json-metadata "$1" >"$state/metadata" 2>/dev/null ||
        { echo "it is none of LUKS2"; return 1; }
    "$busybox" awk -f "$header_check" "$state/metadata"
}

require_header() {
    fault=$(check_header "$header") || refuse "$disk: its header is not one that this image makes: $fault"
}

register() {
    attribute "/sys/class/tpm/tpm0/pcr-sha256/$1"
}

require_tpm() {
    [ -e /dev/tpmrm0 ] || refuse "$disk: there is no TPM to keep its key"
    [ -f "$public_key" ] && [ -f "$signature" ] || refuse "$disk: this image carries no signed policy for PCR 11"
    for register in 12 13; do
        case $(register $register) in
        '' | *[!0]*) refuse "$disk: PCR $register is not zero, the host has added something to this image" ;;
        esac
    done
    # Without it any program that the host starts can bring PCR 11 to what the policy asks for. The fifth byte is the value.
    [ "$("$busybox" tail -c +5 "$secure_boot" 2>/dev/null | "$busybox" xxd -p)" = 01 ] ||
        say "Secure Boot is off: the host can have this disk's key"
}

require_brought_key() {
    deadline=$(($(now) + KEY_TIMEOUT))
    until [ -e "$brought_key" ]; do
        [ "$(now)" -lt "$deadline" ] || refuse "$disk: nobody has brought a key to $brought_key"
        "$busybox" sleep 0.5
    done
    [ -f "$brought_key" ] && [ ! -h "$brought_key" ] || refuse "$disk: $brought_key is not a file"
    case $("$busybox" stat -c '%u %a' "$brought_key") in
    '0 600' | '0 400') ;;
    *) refuse "$disk: $brought_key is not for root alone" ;;
    esac
    size=$("$busybox" stat -c %s "$brought_key")
    [ "$size" -ge 32 ] && [ "$size" -le 4096 ] || refuse "$disk: $brought_key has $size bytes, expected 32 to 4096"
}

# The header is made over the copy, which is blank. The key is random, so that nothing is won by stretching it.
format_header() {
    first_key=$brought_key
    if [ "$KEY" = tpm2 ]; then
        first_key=$state/first-key
        "$busybox" head -c 64 /dev/urandom >"$first_key"
    fi
    set -- --key-size 512
    [ "$INTEGRITY" = no ] || set -- "$@" --integrity hmac-sha256
    [ "$DISK_BY" != label ] || set -- "$@" --label "$DISK_NAME"
    quietly "$cryptsetup" luksFormat --batch-mode --type luks2 --header "$header" --offset $((header_bytes / 512)) \
        --luks2-metadata-size 16k --luks2-keyslots-size $((header_bytes - 32768)) --sector-size 4096 \
        --cipher aes-xts-plain64 --hash sha256 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$@" \
        --key-file "$first_key" "$disk" || refuse "$disk: cannot make a header"
    [ "$KEY" = tpm2 ] || return 0
    quietly ${STORAGE_PROGRAMS.systemdCryptenroll.path} --unlock-key-file="$first_key" --wipe-slot=password \
        --tpm2-device=/dev/tpmrm0 --tpm2-public-key="$public_key" --tpm2-public-key-pcrs=11 \
        --tpm2-signature="$signature" --tpm2-pcrs=7:sha256+12:sha256+13:sha256 "$header" ||
        refuse "$disk: the TPM does not take its key"
}

open_volume() {
    if [ "$KEY" = tpm2 ]; then
        # Measured into PCR 15, so that a verifier can tell one disk from another. That this failed systemd would not say.
        before=$(register 15)
        quietly ${STORAGE_PROGRAMS.systemdCryptsetup.path} attach "$volume" "$disk" - \
            "luks,header=$header,headless=yes,tries=1,tpm2-device=/dev/tpmrm0,tpm2-signature=$signature,tpm2-measure-pcr=yes" ||
            refuse "$disk: the TPM does not give its key to this image, or the header is not its own"
        [ "$(register 15)" != "$before" ] || refuse "$disk: its key is not in PCR 15"
    else
        quietly "$cryptsetup" open --type luks2 --header "$header" --key-file "$brought_key" "$disk" "$volume" ||
            refuse "$disk: the key that was brought does not open it"
    fi
    "$cryptsetup" status "$volume" | "$busybox" grep -q -x ' *cipher: *aes-xts-plain64' ||
        refuse "$disk: the kernel does not encrypt it"
}

# The header is written last and its beginning at the very end: what was interrupted is blank, or has no header.
make_volume() {
    format_header
    require_header
    # A disk that the host has made, with a key that it knows, is opened without this word.
    [ "$KEY" != tpm2 ] ||
        quietly ${STORAGE_PROGRAMS.systemdPcrextend.path} --pcr=15 --tpm2-device=/dev/tpmrm0 cvm-storage:made ||
        refuse "$disk: the TPM does not take that it is new"
    open_volume
    quietly ${STORAGE_PROGRAMS.mke2fs.path} -q -t ext4 -m 0 "$mapped" || refuse "$disk: cannot make a file system"
    for part in "skip=1 seek=1" "count=1"; do
        quietly "$busybox" dd if="$header" of="$disk" bs=4096 $part conv=notrunc,fsync || refuse "$disk: cannot write to it"
    done
}

open_disk() {
    "$busybox" mkdir -p "$mounted"
    if ! wait_for_disk; then
        [ "$MISSING" = memory ] || refuse "no disk is $DISK_BY:$DISK_NAME"
        "$busybox" mount -t tmpfs -o "$mount_options,mode=0755,size=75%" tmpfs "$mounted" || refuse "no memory for data"
        say "no disk is $DISK_BY:$DISK_NAME: data is in memory, and gone after this boot"
        return
    fi
    disk=/dev/$found
    case $KEY in
    tpm2) require_tpm ;;
    runtime) require_brought_key ;;
    esac
    copy_header "$disk" || refuse "$disk: it cannot be read, or is too small"
    if is_blank; then
        make_volume
        did="made a new file system on"
    else
        [ "$DISK_BY" != label ] || [ "$(label_in "$header")" = "$DISK_NAME" ] || refuse "$disk: its label has changed"
        require_header
        open_volume
        "${STORAGE_PROGRAMS.e2fsck.path}" -p "$mapped" >"$state/log" 2>&1 </dev/null
        [ $? -le 1 ] || refuse "$disk: its file system is damaged"
        did=opened
    fi
    forget
    "$busybox" mount -t ext4 -o "$mount_options,errors=remount-ro" "$mapped" "$mounted" || refuse "$disk: cannot mount it"
    say "$did $disk, $DISK_BY:$DISK_NAME"
}

case $1 in
open) open_disk ;;
close)
    "$busybox" umount "$mounted" || exit
    [ ! -e "$mapped" ] || "$cryptsetup" close "$volume"
    ;;
check) check_header "$2" ;;
*) exit 2 ;;
esac
`;
