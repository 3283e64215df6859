import { parseAccountCommand } from "../accounts/account-commands.ts";
import { parseAlternative } from "../finishers/alternatives.ts";
import { BASE_FILES_PATHS } from "../finishers/base-files.ts";
import { parseConfigurationCopy } from "../finishers/configuration-copies.ts";
import { parseNameServiceEdit } from "../finishers/name-service-switch.ts";
import { parsePlainChange } from "../finishers/plain-files.ts";
import { parseAddShell } from "../finishers/shells.ts";
import { parseStatOverride } from "../finishers/stat-overrides.ts";
import { parseEnableCommand } from "../finishers/unit-enablement.ts";
import { lastIs, type Snippet, targetOf } from "./snippet.ts";

/** What finishers do, each row told by the finisher's own reader of such commands. */
export const HANDLED_SNIPPETS: readonly Snippet[] = [
  {
    packages: ["base-files"],
    when: (command) => BASE_FILES_PATHS.includes(targetOf(command)),
    writes: true,
    class: "handled",
    by: "base-files",
  },
  {
    commands: ["update-alternatives"],
    when: ({ argv }) => parseAlternative(argv) !== undefined,
    class: "handled",
    by: "alternatives",
  },
  {
    commands: ["adduser", "addgroup", "useradd", "groupadd", "usermod", "gpasswd"],
    when: ({ argv }) => parseAccountCommand(argv) !== undefined,
    class: "handled",
    by: "adduser",
  },
  {
    commands: ["deb-systemd-helper", "systemctl"],
    when: ({ argv }) => parseEnableCommand(argv) !== undefined,
    class: "handled",
    by: "unit-enablement",
  },
  {
    commands: ["dpkg-statoverride"],
    when: ({ argv }) => parseStatOverride(argv) !== undefined,
    class: "handled",
    by: "stat-overrides",
  },
  {
    commands: ["sed"],
    when: ({ argv }) => parseNameServiceEdit(argv) !== undefined,
    class: "handled",
    by: "name-service-switch",
  },
  {
    commands: ["cp"],
    packages: ["libc-bin"],
    when: lastIs(/^\/etc\/nsswitch\.conf$/),
    class: "handled",
    by: "name-service-switch",
  },
  {
    commands: ["cp", "cat"],
    packages: ["base-passwd"],
    when: (command) => /^\/etc\/(passwd|group)$/.test(targetOf(command)),
    writes: true,
    class: "handled",
    by: "base-passwd",
  },
  {
    commands: ["touch", "chown", "chmod"],
    packages: ["base-passwd"],
    when: lastIs(/^\/etc\/sub[ug]id$/),
    class: "handled",
    by: "base-passwd",
  },
  { commands: ["cp"], packages: ["debianutils"], when: lastIs(/^\/etc\/shells$/), class: "handled", by: "shells" },
  { commands: ["update-shells"], class: "handled", by: "shells" },
  {
    commands: ["add-shell"],
    when: ({ argv }) => parseAddShell(argv) !== undefined,
    class: "handled",
    by: "shells",
  },
  {
    commands: ["ucf", "cp"],
    when: (command) => parseConfigurationCopy(command) !== undefined,
    class: "handled",
    by: "configuration-copies",
  },
  {
    commands: ["mkdir", "touch", "chmod", "chown", "chgrp", ":"],
    when: (command) => parsePlainChange(command) !== undefined,
    writes: true,
    class: "handled",
    by: "plain-files",
  },
  { commands: ["systemd-sysusers"], class: "handled", by: "sysusers" },
  { commands: ["systemd-tmpfiles"], class: "handled", by: "tmpfiles" },
  { commands: ["shadowconfig", "pwconv", "grpconv"], class: "handled", by: "base-passwd" },
  { commands: ["pam-auth-update"], class: "handled", by: "pam" },
  { commands: ["ldconfig"], class: "handled", by: "linker-cache" },
  { commands: ["depmod"], class: "handled", by: "kernel-modules" },
  { packages: ["ca-certificates"], commands: ["update-ca-certificates"], class: "handled", by: "ca-certificates" },
  {
    packages: ["ca-certificates"],
    when: (command) => targetOf(command).startsWith("/etc/ca-certificates.conf"),
    writes: true,
    class: "handled",
    by: "ca-certificates",
  },
  { commands: ["systemd-machine-id-setup", "dbus-uuidgen"], class: "handled", by: "machine-id" },
  {
    packages: ["netbase"],
    when: (command) => targetOf(command) === "/etc/hosts",
    writes: true,
    class: "handled",
    by: "hostname",
  },
  {
    packages: ["tzdata"],
    when: (command) => /^\/etc\/(localtime|timezone)/.test(targetOf(command)),
    writes: true,
    class: "handled",
    by: "timezone",
  },
  { packages: ["systemd"], commands: ["mv"], when: lastIs(/^\/etc\/locale\.conf$/), class: "handled", by: "locale" },
  {
    packages: ["systemd-resolved"],
    when: (command) => /resolv|run\/systemd\/resolve/.test(targetOf(command)),
    class: "handled",
    by: "tmpfiles",
  },
];
