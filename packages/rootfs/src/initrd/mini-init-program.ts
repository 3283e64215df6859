/** The program of a mini-initrd, with the line `SETTINGS` in place of what `formatMiniInit` tells it. */
export const MINI_INIT_PROGRAM = String.raw`#!/bin/sh
# Mounts the image that this initrd belongs to, and goes on in it; run by busybox. Written by cvm-build.
# Whatever is on a disk is the host's word: only what dm-verity has compared with the root hash is ever run.
SETTINGS
state=/run/cvm
root=/newroot
export PATH=/bin
# Without udev nobody would answer device-mapper's questions.
export DM_DISABLE_UDEV=1
umask 022
failed_modules=

say() {
    echo "cvm-init: $*"
}

refuse() {
    say "cannot start this image: $*"
    [ -z "$failed_modules" ] || say "modules that were not loaded:$failed_modules"
    say "powering off"
    sleep 2
    poweroff -f
    # The kernel panics when its first process ends.
    exit 1
}

now() {
    cut -d . -f 1 /proc/uptime
}

load_modules() {
    for module in $modules; do
        insmod "$module" 2>/dev/null || failed_modules="$failed_modules $module"
    done
}

block_devices() {
    for entry in /sys/class/block/*; do
        [ -e "$entry/uevent" ] && echo "${"$"}{entry##*/}"
    done
}

# Sets partition to the device of the partition with this GUID, in hex as it stands in the table of a disk: kernels before
# 6.13 do not say it. Two of them are one too many.
find_partition() {
    partition=
    for name in $(block_devices); do
        [ "$(guid_of "$name")" = "$1" ] || continue
        [ -z "$partition" ] || refuse "$partition and /dev/$name are the same partition"
        partition=/dev/$name
    done
    [ -n "$partition" ]
}

# The table begins in the third block of a disk, behind its header, with 128 bytes for each partition.
guid_of() {
    entry=/sys/class/block/$1
    [ -f "$entry/partition" ] || return 0
    entry=$(readlink -f "$entry")
    disk=${"$"}{entry%/*}
    block_bytes=$(cat "$disk/queue/logical_block_size")
    disk=/dev/${"$"}{disk##*/}
    [ "$(xxd -p -s "$block_bytes" -l 8 "$disk")" = 4546492050415254 ] || return 0
    number=$(cat "$entry/partition")
    xxd -p -s $((2 * block_bytes + (number - 1) * 128 + 16)) -l 16 "$disk"
}

find_partitions() {
    find_partition "$data_guid" || return
    data=$partition
    find_partition "$hash_guid" || return
    hashes=$partition
}

# A file system of the host's is mounted for nothing but to read two files.
find_on_esp() {
    mkdir -p "$state/esp"
    for name in $(block_devices); do
        case $name in
        loop* | ram* | dm-*) continue ;;
        esac
        mount -t vfat -o ro,nosuid,nodev,noexec "/dev/$name" "$state/esp" 2>/dev/null || continue
        if [ -f "$state/esp$data_name" ] && [ -f "$state/esp$hash_name" ]; then
            data=$state/esp$data_name
            hashes=$state/esp$hash_name
            return
        fi
        umount "$state/esp"
    done
    return 1
}

find_device() {
    [ -b "$data_name" ] || return
    data=$data_name
    hashes=$hash_name
}

find_image() {
    case $carrier in
    initrd)
        data=$data_name
        hashes=$hash_name
        [ -f "$data" ] && [ -f "$hashes" ] || refuse "the initrd does not hold it"
        return
        ;;
    device) search=find_device what="there is no $data_name" ;;
    esp) search=find_on_esp what="no FAT file system has $data_name and $hash_name" ;;
    partition) search=find_partitions what="there are no partitions $data_name and $hash_name" ;;
    esac
    deadline=$(($(now) + timeout))
    until $search; do
        [ "$(now)" -lt "$deadline" ] || refuse "$what"
        sleep 0.2
    done
}

# What the stub has put into this initrd for whoever opens a disk by PCR 11, where systemd's initrds put it, too.
keep_policies() {
    mkdir -p /run/systemd
    for name in tpm2-pcr-public-key.pem tpm2-pcr-signature.json; do
        [ ! -f "/.extra/$name" ] || cat "/.extra/$name" >"/run/systemd/$name"
    done
}

# A copy of exactly the bytes that count, which nobody outside can change.
copy_into_ram() {
    mkdir -p "$state/ram"
    mount -t tmpfs -o "mode=0700,size=$((data_bytes + hash_bytes + 1048576))" ram "$state/ram" || refuse "no memory"
    head -c "$data_bytes" "$data" >"$state/ram/data" || refuse "$data does not fit into memory"
    head -c "$hash_bytes" "$hashes" >"$state/ram/hashes" || refuse "$hashes does not fit into memory"
    [ "$(stat -c %s "$state/ram/data")" = "$data_bytes" ] || refuse "$data is too short"
    [ "$(stat -c %s "$state/ram/hashes")" = "$hash_bytes" ] || refuse "$hashes is too short"
    [ "$carrier" != esp ] || umount "$state/esp"
    data=$state/ram/data
    hashes=$state/ram/hashes
}

# Sets device to what device-mapper can use for a file, or a device as it is.
open_device() {
    device=$1
    [ -f "$1" ] || return 0
    device=$(losetup -f) && losetup -r "$device" "$1" || refuse "no loop device for $1"
}

verify_image() {
    open_device "$data"
    data=$device
    open_device "$hashes"
    hashes=$device
    first=${"$"}{table%%DATA*}
    last=${"$"}{table#*HASHES}
    dmsetup create --readonly --table "$first$data $hashes$last" cvm-root || refuse "dm-verity does not take it"
    if [ "$into_ram" = yes ]; then
        cat /dev/mapper/cvm-root >/dev/null || refuse "it is not what the root hash says"
    fi
}

mount_image() {
    mkdir -p "$state/image" "$state/changes"
    mount -t erofs -o ro /dev/mapper/cvm-root "$state/image" || refuse "it is not what the root hash says, or no erofs"
    mount -t tmpfs -o mode=0755 changes "$state/changes" || refuse "no memory for what changes"
    mkdir "$state/changes/upper" "$state/changes/work"
    mount -t overlay -o "lowerdir=$state/image,upperdir=$state/changes/upper,workdir=$state/changes/work" overlay "$root" ||
        refuse "no overlay file system"
}

mount -t devtmpfs -o nosuid,mode=0755 dev /dev
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sys /sys
mount -t tmpfs -o nosuid,nodev,mode=0755 run /run
keep_policies
load_modules
find_image
[ "$into_ram" = no ] || copy_into_ram
verify_image
mount_image
for place in dev proc sys run; do
    mkdir -p "$root/$place"
    mount -o move "/$place" "$root/$place" || refuse "cannot move /$place"
done
say "mounted, going on in $init"
unset DM_DISABLE_UDEV
exec switch_root "$root" "$init"
refuse "there is no $init"
`;
