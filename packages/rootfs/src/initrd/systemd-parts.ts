import type { PackageParts } from "./package-source.ts";

/**
 * What an initrd takes of packages that are made for a whole system. Of any other package it takes everything but
 * documentation and translations.
 *
 * Left out, because it would let the host have a say: generators that look for partitions by type (gpt-auto), that read
 * credentials (debug, run, ssh) or a hibernation image, udev's and the network's credentials, and every shell.
 */
export const PACKAGE_PARTS: Readonly<Record<string, PackageParts>> = {
  // 55-dm.rules asks dmsetup about each device, and libdevmapper waits for the answer of 95-dm-notify.rules.
  dmsetup: {
    files: [
      "/usr/lib/udev/rules.d/55-dm.rules",
      "/usr/lib/udev/rules.d/60-persistent-storage-dm.rules",
      "/usr/lib/udev/rules.d/95-dm-notify.rules",
      "/usr/sbin/dmsetup",
    ],
  },
  kmod: { files: ["/usr/bin/kmod", "/usr/sbin/modprobe"] },
  mount: { files: ["/usr/bin/mount", "/usr/bin/umount"] },
  systemd: {
    units: [
      "basic.target",
      "emergency.target",
      "final.target",
      "initrd-cleanup.service",
      "initrd-fs.target",
      "initrd-parse-etc.service",
      "initrd-root-device.target",
      "initrd-root-fs.target",
      "initrd-switch-root.service",
      "initrd-switch-root.target",
      "initrd-udevadm-cleanup-db.service",
      "initrd-usr-fs.target",
      "initrd.target",
      "kmod-static-nodes.service",
      "local-fs-pre.target",
      "local-fs.target",
      "modprobe@.service",
      "paths.target",
      "poweroff.target",
      "reboot.target",
      "shutdown.target",
      "slices.target",
      "sockets.target",
      "swap.target",
      "sysinit.target",
      "systemd-journald-dev-log.socket",
      "systemd-journald.service",
      "systemd-journald.socket",
      "systemd-modules-load.service",
      "systemd-pcrphase-initrd.service",
      "systemd-poweroff.service",
      "systemd-reboot.service",
      "systemd-tmpfiles-setup-dev-early.service",
      "systemd-tmpfiles-setup-dev.service",
      "systemd-tmpfiles-setup.service",
      "systemd-volatile-root.service",
      "timers.target",
      "tpm2.target",
      "umount.target",
    ],
    files: [
      "/usr/bin/systemctl",
      "/usr/bin/systemd-tmpfiles",
      "/usr/lib/modprobe.d/systemd.conf",
      "/usr/lib/systemd/system-generators/systemd-fstab-generator",
      "/usr/lib/systemd/system-generators/systemd-tpm2-generator",
      "/usr/lib/systemd/systemd",
      "/usr/lib/systemd/systemd-executor",
      "/usr/lib/systemd/systemd-journald",
      "/usr/lib/systemd/systemd-modules-load",
      "/usr/lib/systemd/systemd-pcrextend",
      "/usr/lib/systemd/systemd-shutdown",
      "/usr/lib/systemd/systemd-sysroot-fstab-check",
      "/usr/lib/systemd/systemd-volatile-root",
      "/usr/lib/tmpfiles.d/20-systemd-stub.conf",
      "/usr/lib/tmpfiles.d/systemd.conf",
      "/usr/lib/udev/rules.d/99-systemd.rules",
    ],
  },
  "systemd-cryptsetup": {
    units: [
      "remote-veritysetup.target",
      "system-systemd\\x2dveritysetup.slice",
      "veritysetup-pre.target",
      "veritysetup.target",
    ],
    files: ["/usr/lib/systemd/system-generators/systemd-veritysetup-generator", "/usr/lib/systemd/systemd-veritysetup"],
  },
  udev: {
    units: [
      "systemd-udev-trigger.service",
      "systemd-udevd-control.socket",
      "systemd-udevd-kernel.socket",
      "systemd-udevd.service",
    ],
    files: [
      "/usr/bin/udevadm",
      "/usr/lib/systemd/systemd-udevd",
      "/usr/lib/tmpfiles.d/static-nodes-permissions.conf",
      "/usr/lib/udev/rules.d/50-udev-default.rules",
      "/usr/lib/udev/rules.d/60-block.rules",
      "/usr/lib/udev/rules.d/60-persistent-storage.rules",
      "/usr/lib/udev/rules.d/80-drivers.rules",
    ],
  },
};

/** Without any of these no root file system is found; the package of Debian that has each. */
export const REQUIRED_FILES: Readonly<Record<string, string>> = {
  "/usr/bin/mount": "mount",
  "/usr/bin/systemctl": "systemd",
  "/usr/bin/udevadm": "udev",
  "/usr/lib/systemd/system-generators/systemd-fstab-generator": "systemd",
  "/usr/lib/systemd/system-generators/systemd-veritysetup-generator": "systemd-cryptsetup",
  "/usr/lib/systemd/system/initrd-switch-root.target": "systemd",
  "/usr/lib/systemd/system/initrd.target": "systemd",
  "/usr/lib/systemd/systemd": "systemd",
  "/usr/lib/systemd/systemd-veritysetup": "systemd-cryptsetup",
  "/usr/lib/udev/rules.d/95-dm-notify.rules": "dmsetup",
  "/usr/sbin/dmsetup": "dmsetup",
  "/usr/sbin/modprobe": "kmod",
};
