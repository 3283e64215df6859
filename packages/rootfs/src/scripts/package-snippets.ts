import { argumentsOf, lastIs, type Snippet, targetOf } from "./snippet.ts";

/** What single packages do that is of no consequence in an image. */
export const PACKAGE_SNIPPETS: readonly Snippet[] = [
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
