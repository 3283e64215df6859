import { CvmError } from "@cvm-build/bytes";
import { formatAssignment } from "../extension/os-release.ts";
import type { PackageFinisher } from "../finisher.ts";
import { finisherEditor } from "./editor.ts";

/** The image's name for itself: /etc/hostname and /etc/hosts. */
export const hostnameFinisher: PackageFinisher = {
  name: "hostname",
  replaces: ["netbase.postinst"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const { hostname } = context.profile.content;
    if (hostname !== undefined) editor.writeFile("/etc/hostname", `${hostname}\n`);
    if (!editor.has("/etc/hosts")) {
      const own = hostname === undefined ? "" : `127.0.1.1\t${hostname}\n`;
      editor.writeFile("/etc/hosts", `127.0.0.1\tlocalhost\n${own}::1\t\tlocalhost ip6-localhost ip6-loopback\n`);
    }
    return editor.effect(hostname ?? "no name: systemd's fallback");
  },
};

/** /etc/localtime and /etc/timezone, where the profile names a zone. Without them the clock shows UTC. */
export const timezoneFinisher: PackageFinisher = {
  name: "timezone",
  replaces: ["tzdata.postinst"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const { timezone } = context.profile.content;
    if (timezone === undefined) return editor.effect("UTC");
    const isUtc = timezone === "UTC" || timezone === "Etc/UTC";
    if (!tree.follow(`/usr/share/zoneinfo/${timezone}`) && !isUtc) {
      throw new CvmError(
        "setting",
        `cannot set Timezone= "${timezone}": expected /usr/share/zoneinfo/${timezone} in the image`,
        {
          hint: "add the package tzdata to Packages=",
        },
      );
    }
    editor.writeSymlink("/etc/localtime", `../usr/share/zoneinfo/${timezone}`);
    editor.writeFile("/etc/timezone", `${timezone}\n`);
    return editor.effect(timezone);
  },
};

/** /etc/locale.conf, where the profile names a locale, and Debian's older name for it. */
export const localeFinisher: PackageFinisher = {
  name: "locale",
  replaces: ["locales.postinst"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const { locale } = context.profile.content;
    if (locale === undefined) return editor.effect("C");
    editor.writeFile("/etc/locale.conf", `LANG=${locale}\n`);
    if (!editor.has("/etc/default/locale")) editor.writeSymlink("/etc/default/locale", "../locale.conf");
    return editor.effect(locale);
  },
};

/**
 * /etc/machine-id: the profile's, or an empty file. Empty means that systemd makes an id at boot without taking the boot
 * for a first one, so that no preset and no wizard changes what was measured.
 * @see machine-id(5), "FIRST BOOT SEMANTICS"
 */
export const machineIdFinisher: PackageFinisher = {
  name: "machine-id",
  replaces: ["systemd-machine-id-setup", "dbus-uuidgen"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const { machineId } = context.profile.content;
    if (machineId !== undefined || !editor.has("/etc/machine-id")) {
      editor.writeFile("/etc/machine-id", machineId === undefined ? "" : `${machineId}\n`, { mode: 0o444 });
    }
    return editor.effect(machineId ?? "made at boot");
  },
};

/**
 * /etc/.updated and /var/.updated, which tell systemd that both fit this /usr. Without them ldconfig, systemd-sysusers,
 * systemd-hwdb and the journal's catalog would do again at boot, and for seconds, what finishers have done.
 * @see systemd.unit(5), ConditionNeedsUpdate=; systemd-update-done.service(8)
 */
export const updateMarksFinisher: PackageFinisher = {
  name: "update-marks",
  replaces: ["systemd-update-done"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    if (!tree.has("/usr/lib/systemd")) return editor.effect("no systemd in the image");
    const text = `TIMESTAMP_NSEC=${context.profile.content.sourceDateEpochSec}000000000\n`;
    for (const directory of ["/etc", "/var"]) editor.writeFile(`${directory}/.updated`, text);
    return editor.effect("/etc and /var fit /usr");
  },
};

/** IMAGE_ID and IMAGE_VERSION in os-release, and the link that /etc has to it. */
export const osReleaseFinisher: PackageFinisher = {
  name: "os-release",
  replaces: [],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const { imageId, imageVersion } = context.profile.output;
    const fields = { IMAGE_ID: imageId, IMAGE_VERSION: imageVersion };
    const given = Object.entries(fields).filter(([, value]) => value !== "");
    const kept = (editor.readText("/usr/lib/os-release") ?? "NAME=Linux\nID=linux\nPRETTY_NAME=Linux\n")
      .split("\n")
      .filter((line) => line !== "" && !given.some(([name]) => line.startsWith(`${name}=`)));
    const lines = [...kept.map((line) => `${line}\n`), ...given.map(([name, value]) => formatAssignment(name, value))];
    editor.writeFile("/usr/lib/os-release", lines.join(""));
    if (!editor.has("/etc/os-release")) editor.writeSymlink("/etc/os-release", "../usr/lib/os-release");
    return editor.effect(given.map(([name, value]) => `${name}=${value}`).join(" "));
  },
};

/** Where init mounts the kernel's file systems; base-files has them, an image without it needs them all the same. */
const MOUNT_POINTS = {
  "/dev": 0o755,
  "/proc": 0o755,
  "/run": 0o755,
  "/sys": 0o755,
  "/tmp": 0o1777,
  "/var/tmp": 0o1777,
};

/**
 * /init, which the kernel runs from an initramfs, leads to systemd where that is there. /etc/initrd-release is removed:
 * with it systemd would take the image for one that a real root file system follows.
 */
export const initFinisher: PackageFinisher = {
  name: "init",
  replaces: [],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    editor.remove("/etc/initrd-release");
    for (const [path, mode] of Object.entries(MOUNT_POINTS))
      if (!editor.has(path)) editor.makeDirectory(path, { mode });
    if (editor.has("/init")) return editor.effect("the image brings its own /init");
    const candidates = ["/usr/lib/systemd/systemd", "/usr/sbin/init"];
    const target = candidates.find((path) => tree.follow(path)?.kind === "file");
    if (target === undefined) return editor.effect("no init in the image");
    editor.writeSymlink("/init", target.slice(1));
    return editor.effect(target);
  },
};
