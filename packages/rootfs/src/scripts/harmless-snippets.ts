import { argumentsOf, lastIs, type Snippet, someIs, targetOf } from "./snippet.ts";

/** What can be left out, and why. */
export const HARMLESS_SNIPPETS: readonly Snippet[] = [
  {
    commands: ["echo", "printf", "true", ":", "umask", "cd", "trap", "sleep", "stty", "logger", "wait"],
    class: "harmless",
    by: "has no lasting effect",
  },
  {
    commands: [
      "command",
      "which",
      "type",
      "grep",
      "egrep",
      "fgrep",
      "cmp",
      "sort",
      "uniq",
      "tr",
      "head",
      "tail",
      "cut",
      "wc",
      "awk",
      "find",
      "ls",
      "stat",
      "readlink",
      "dirname",
      "basename",
      "id",
      "getent",
      "getcap",
      "uname",
      "date",
      "pidof",
      "ischroot",
      "aa-enabled",
      "md5sum",
      "sha512sum",
      "cat",
      "df",
      "ps",
      "who",
      "hash",
    ],
    class: "harmless",
    by: "only looks",
  },
  {
    commands: ["sed"],
    when: (command) => !argumentsOf(command).some((word) => /^-[a-zA-Z]*i|^--in-place/.test(word)),
    class: "harmless",
    by: "only looks",
  },
  {
    commands: ["dpkg", "dpkg-query", "dpkg-realpath", "dpkg-vendor", "dpkg-architecture"],
    class: "harmless",
    by: "only looks",
  },
  {
    commands: ["dpkg-statoverride", "dpkg-divert"],
    when: someIs(/^--(list|listpackage|truename)$/),
    class: "harmless",
    by: "only looks",
  },
  {
    commands: ["deb-systemd-helper"],
    when: someIs(/^(debian-installed|was-enabled|is-enabled|update-state|unmask|purge)$/),
    class: "harmless",
    by: "keeps dpkg's own record",
  },
  {
    commands: [".", "source"],
    when: (command) => /debconf|dpkg-error\.sh|\/etc\/default\//.test(argumentsOf(command).at(-1) ?? ""),
    class: "harmless",
    by: "loads functions",
  },
  { when: ({ argv }) => argv[0]?.startsWith("db_") ?? false, class: "harmless", by: "debconf: defaults hold" },
  { commands: ["dpkg-maintscript-helper"], class: "harmless", by: "only mends upgrades" },
  { commands: ["dpkg-trigger"], class: "harmless", by: "finishers run once, at the end" },
  {
    commands: ["dpkg-divert"],
    when: (command) =>
      argumentsOf(command).includes("--remove") || argumentsOf(command).some((word) => word.endsWith(".usr-is-merged")),
    class: "harmless",
    by: "protects files while dpkg moves them into /usr",
  },
  {
    commands: [
      "udevadm",
      "invoke-rc.d",
      "deb-systemd-invoke",
      "service",
      "start-stop-daemon",
      "telinit",
      "dbus-send",
      "apparmor_parser",
      "aa-status",
      "modprobe",
      "sysctl",
    ],
    class: "harmless",
    by: "acts on a running system",
  },
  {
    commands: ["systemctl"],
    when: (command) =>
      argumentsOf(command).some((word) =>
        /^(daemon-reload|daemon-reexec|restart|try-restart|start|stop|kill|show|is-system-running|is-active|reload|reload-or-restart)$/.test(
          word,
        ),
      ),
    class: "harmless",
    by: "acts on a running system",
  },
  { commands: ["update-rc.d"], class: "harmless", by: "links for sysvinit" },
  {
    commands: ["install", "mkdir", "touch"],
    when: lastIs(/^\/etc\/apparmor\.d\//),
    class: "harmless",
    by: "local additions to AppArmor, empty",
  },
  {
    commands: ["mkdir"],
    when: ({ argv, text }) => argv.includes(undefined) && text.includes("LOCAL_APP_PROFILE"),
    class: "harmless",
    by: "local additions to AppArmor, empty",
  },
  {
    commands: [
      "update-initramfs",
      "update-grub",
      "linux-run-hooks",
      "linux-update-symlinks",
      "kernel-install",
      "bootctl",
    ],
    class: "harmless",
    by: "the kernel boots from the image's own UKI",
  },
  { when: lastIs(/\/\.fresh-install$/), class: "harmless", by: "a note from preinst to postinst" },
  {
    commands: ["mkdir"],
    when: lastIs(/^\/lib\/modules\/[^/]+$/),
    class: "harmless",
    by: "the package holds that directory",
  },
  { commands: ["restorecon"], class: "harmless", by: "no SELinux policy at build time" },
  {
    commands: [
      "update-menus",
      "update-desktop-database",
      "update-mime",
      "update-mime-database",
      "gtk-update-icon-cache",
      "install-info",
      "mandb",
      "update-xmlcatalog",
    ],
    class: "harmless",
    by: "indexes of desktops and documentation",
  },
  {
    commands: ["journalctl"],
    when: ({ argv }) => argv.includes("--update-catalog"),
    class: "harmless",
    by: "explanations of log messages",
  },
  { commands: ["systemd-hwdb"], class: "harmless", by: "names and keymaps of physical hardware" },
  {
    commands: ["py3compile", "py3clean", "pypy3compile", "pycompile", "update-python-modules"],
    class: "harmless",
    by: "byte code that Python makes itself",
  },
  { when: someIs(/(^|\/)py_compile(\.py)?$/), class: "harmless", by: "byte code that Python makes itself" },
  { commands: ["ucfr"], class: "harmless", by: "ucf's own record" },
  { commands: ["perl"], when: ({ argv }) => argv[1] === "-e" && argv[2] === "", class: "harmless", by: "only looks" },
  { commands: ["chronyd"], when: ({ argv }) => argv.includes("-p"), class: "harmless", by: "only looks" },
  {
    commands: ["rm", "rmdir"],
    when: (command) =>
      argumentsOf(command).every(
        (word) =>
          /^-|tmp|\.(dpkg-\w+|pam-old|tmp|distrib|bin)$|-will-install$/.test(word) ||
          (word === "" && /tmp|temp/i.test(command.text)),
      ),
    class: "harmless",
    by: "takes away what is not there",
  },
  {
    commands: ["rm", "rmdir"],
    when: (command, { has }) =>
      argumentsOf(command)
        .filter((word) => !word.startsWith("-"))
        .every((word) => /^\/[^*?[]+$/.test(word) && !has(word)),
    class: "harmless",
    by: "takes away what is not there",
  },
  {
    when: lastIs(/nsswitch\.conf\.nss\.[^/]+-will-install$/),
    class: "harmless",
    by: "a note from preinst to postinst",
  },
];

/** What single packages do that is of no consequence in an image. */
export const HARMLESS_PACKAGE_SNIPPETS: readonly Snippet[] = [
  {
    packages: ["base-files"],
    when: lastIs(/^\/(lib(32|64|o32|x32)?)$|^\/usr\/share\/info\/dir$|^\/usr\/local/),
    class: "harmless",
    by: "merged-usr",
  },
  {
    packages: ["bash", "dash"],
    when: (command) =>
      /\/(bin\/sh|sh\.1\.gz|sh\.distrib)|dpkg-divert|dfile|truename/.test(command.text) ||
      /\/bin\/sh|sh\.1\.gz/.test(targetOf(command)),
    class: "harmless",
    by: "dash holds /bin/sh",
  },
  {
    packages: ["dash", "bash"],
    commands: ["cp", "mv", "ln", "touch", "rm"],
    class: "harmless",
    by: "dash holds /bin/sh",
  },
  {
    packages: ["ca-certificates"],
    commands: ["mkdir", "chgrp", "chmod", "chown"],
    when: lastIs(/^\/usr\/local\/share\/ca-certificates$/),
    class: "harmless",
    by: "a place for local additions",
  },
  {
    packages: ["libc6"],
    commands: ["mkdir", "ln"],
    when: lastIs(/^\/(usr\/)?lib64$/),
    class: "harmless",
    by: "merged-usr",
  },
  {
    packages: ["libc6"],
    commands: ["dpkg-divert"],
    class: "harmless",
    by: "protects files while dpkg moves them into /usr",
  },
  { packages: ["dpkg"], commands: ["ln"], when: lastIs(/start-stop-daemon$/), class: "harmless", by: "merged-usr" },
  {
    packages: ["dpkg"],
    when: ({ writes }) => writes.some((path) => /\/var\/lib\/dpkg\//.test(path ?? "")),
    writes: true,
    class: "harmless",
    by: "dpkg's own record",
  },
  {
    packages: ["openssl"],
    commands: ["ln"],
    when: lastIs(/^\/usr\/lib\/ssl$/),
    class: "harmless",
    by: "the package holds that directory",
  },
  {
    packages: ["klibc-utils"],
    commands: ["rm", "ln"],
    when: lastIs(/^\/usr\/share\/doc\//),
    class: "harmless",
    by: "documentation",
  },
  {
    packages: ["initramfs-tools-core"],
    when: (command) => targetOf(command) === "/etc/initramfs-tools/modules",
    writes: true,
    class: "harmless",
    by: "the kernel boots from the image's own UKI",
  },
  {
    packages: ["kmod"],
    when: (command) => targetOf(command) === "/etc/modules",
    writes: true,
    class: "harmless",
    by: "an empty list, which counts as none",
  },
  {
    packages: ["netbase"],
    when: (command) => targetOf(command) === "/etc/networks",
    writes: true,
    class: "harmless",
    by: "names of networks, which nothing asks for",
  },
  { packages: ["iproute2"], commands: ["setcap"], class: "harmless", by: "debconf: off by default" },
  { packages: ["libselinux1"], commands: ["rm"], class: "harmless", by: "takes away what is not there" },
  { packages: ["systemd-sysv"], commands: ["ln"], class: "harmless", by: "the package holds those links" },
  {
    packages: ["ucf"],
    when: (command) =>
      argumentsOf(command).some((word) => word.includes("/var/lib/ucf")) || command.text.includes("hashfile"),
    class: "harmless",
    by: "ucf's own record",
  },
];
