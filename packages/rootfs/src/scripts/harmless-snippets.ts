import { argumentsOf, lastIs, type Snippet, someIs } from "./snippet.ts";

/** What can be left out, and why. */
export const HARMLESS_SNIPPETS: readonly Snippet[] = [
  {
    commands: ["echo", "printf", "true", ":", "umask", "cd", "trap", "sleep", "stty", "logger", "wait"],
    class: "harmless",
    by: "has no lasting effect",
  },
  {
    commands: [
      "which",
      "type",
      "grep",
      "egrep",
      "fgrep",
      "cmp",
      "uniq",
      "tr",
      "head",
      "tail",
      "cut",
      "wc",
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
  { commands: ["command"], when: ({ argv }) => /^-[vV]/.test(argv[1] ?? ""), class: "harmless", by: "only looks" },
  {
    commands: ["find"],
    when: (command) => !someIs(/^-(exec(dir)?|ok(dir)?|delete|fls|fprint.*)$/)(command),
    class: "harmless",
    by: "only looks",
  },
  {
    commands: ["sort"],
    when: (command) => !someIs(/^-[a-zA-Z]*o|^--output/)(command),
    class: "harmless",
    by: "only looks",
  },
  {
    commands: ["awk"],
    // An awk program can run commands, and write files, by name.
    when: (command) => !someIs(/system *\(|[>|] *"/)(command),
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
    commands: ["dpkg"],
    when: someIs(/^--(compare-versions|validate-.*|assert-.*|print-.*|version|status|list.*|search)$|^-[sLlS]$/),
    class: "harmless",
    by: "only looks",
  },
  {
    commands: ["dpkg-query", "dpkg-realpath", "dpkg-vendor", "dpkg-architecture"],
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
  {
    commands: ["update-rc.d"],
    when: (command, { has }) => hasUnitOrNoInitScript(argumentsOf(command), has),
    class: "harmless",
    by: "links for sysvinit, beside a unit",
  },
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
          /^-|tmp(?!files)|\.(dpkg-\w+|pam-old|tmp|distrib|bin)$|-will-install$/.test(word) ||
          (word === "" && /tmp|temp/i.test(command.text)),
      ),
    class: "harmless",
    by: "takes away what is not there",
  },
  {
    commands: ["run-parts"],
    when: lastIs(/^\/etc\/kernel\//),
    class: "harmless",
    by: "the kernel boots from the image's own UKI",
  },
  {
    commands: ["update-alternatives"],
    when: someIs(/^--(remove|list|display|query)$/),
    class: "harmless",
    by: "ends older names",
  },
  {
    commands: ["ln"],
    when: (command, { has }) => !someIs(/^-\w*f|^--force$/)(command) && has(argumentsOf(command).at(-1) ?? ""),
    class: "harmless",
    by: "something is there already",
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

/** An init script without a unit of its name is a service that systemd would have started through its sysv generator. */
function hasUnitOrNoInitScript(args: readonly string[], has: (path: string) => boolean): boolean {
  const name = args.find((word) => !word.startsWith("-")) ?? "";
  const unit = `${name.replace(/\.sh$/, "")}.service`;
  return !has(`/etc/init.d/${name}`) || ["/usr/lib", "/etc"].some((place) => has(`${place}/systemd/system/${unit}`));
}
