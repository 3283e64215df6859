import { compareUtf8, type FileTree } from "@cvm-build/fs-writer";
import { applyAccountRequest, parseAccountCommand } from "../accounts/account-commands.ts";
import { AccountDatabase } from "../accounts/account-database.ts";
import { applySysusers, parseSysusers } from "../accounts/sysusers.ts";
import { configurationFiles } from "../configuration-files.ts";
import type { FinisherEffect, PackageFinisher, PackageFinisherContext } from "../finisher.ts";
import type { TreeEditor } from "../tree-editor.ts";
import { finisherEditor } from "./editor.ts";

const MASTER = { passwd: "/usr/share/base-passwd/passwd.master", group: "/usr/share/base-passwd/group.master" };
/** What an image without base-passwd has: the two accounts that the kernel and systemd count on. */
const MINIMAL = {
  passwd: "root:*:0:0:root:/root:/bin/sh\nnobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
  group: "root:*:0:\nshadow:*:42:\nnogroup:*:65534:\n",
};
const SYSUSERS_DIRECTORIES = ["/etc/sysusers.d", "/run/sysusers.d", "/usr/local/lib/sysusers.d", "/usr/lib/sysusers.d"];

/** base-passwd's accounts, which everything else builds on; what an extra tree brought as /etc/passwd stays. */
export const basePasswdFinisher: PackageFinisher = accountsFinisher({
  name: "base-passwd",
  replaces: ["update-passwd", "shadowconfig"],
  change(accounts, editor) {
    if (accounts.groups.size === 0)
      accounts.addGroupLines(editor.readText(MASTER.group) ?? MINIMAL.group, MASTER.group);
    if (accounts.users.size === 0)
      accounts.addUserLines(editor.readText(MASTER.passwd) ?? MINIMAL.passwd, MASTER.passwd);
    for (const path of ["/etc/subuid", "/etc/subgid"]) if (!editor.has(path)) editor.writeFile(path, "");
  },
});

/** Accounts that sysusers.d files declare; so systemd-sysusers.service finds nothing left to do at boot. */
export const sysusersFinisher: PackageFinisher = accountsFinisher({
  name: "sysusers",
  replaces: ["systemd-sysusers"],
  change(accounts, editor) {
    const files = configurationFiles(editor.tree, SYSUSERS_DIRECTORIES);
    applySysusers(
      accounts,
      files.flatMap((path) => parseSysusers(editor.readText(path) ?? "", path)),
    );
  },
});

/** Accounts that maintainer scripts make with adduser and its kin, in the order of the packages' names. */
export const maintainerAccountsFinisher: PackageFinisher = accountsFinisher({
  name: "adduser",
  replaces: ["adduser", "addgroup", "useradd", "groupadd", "usermod", "gpasswd"],
  change(accounts, editor, { commands }) {
    for (const request of commands.flatMap(({ argv }) => parseAccountCommand(argv) ?? [])) {
      const home = applyAccountRequest(accounts, request);
      if (home && !editor.has(home.path)) editor.makeDirectory(home.path, { uid: home.uid, gid: home.gid });
    }
  },
});

/** The accounts that the profile's services run as. */
export const serviceAccountsFinisher: PackageFinisher = accountsFinisher({
  name: "service-accounts",
  replaces: [],
  change(accounts, _editor, { profile }) {
    for (const service of profile.services) {
      accounts.ensureUser(service.user, { comment: service.description, home: "/" });
      for (const group of service.groups) accounts.addMember(group, service.user);
    }
  },
});

/** Root's password and shell. The account is locked unless the profile gives a hash. */
export const rootAccountFinisher: PackageFinisher = accountsFinisher({
  name: "root-account",
  replaces: [],
  change(accounts, editor, { profile }) {
    const { rootPasswordHash, rootShell } = profile.content;
    const root = accounts.ensureUser("root", { uid: 0, group: "root", home: "/root", shell: "/bin/sh" });
    if (rootPasswordHash !== undefined) root.password = rootPasswordHash;
    if (rootShell !== undefined) root.shell = rootShell;
    if (!editor.has("/root")) editor.makeDirectory("/root", { mode: 0o700 });
  },
});

interface AccountChange {
  name: string;
  replaces: string[];
  change(accounts: AccountDatabase, editor: TreeEditor, context: PackageFinisherContext): void;
}

/** A finisher that reads the accounts, changes them and writes them back. */
function accountsFinisher({ name, replaces, change }: AccountChange): PackageFinisher {
  return {
    name,
    replaces,
    finish(tree: FileTree, context): FinisherEffect {
      const editor = finisherEditor(tree, name, context);
      const accounts = AccountDatabase.read(editor);
      const before = new Set([...accounts.users.keys(), ...accounts.groups.keys()]);
      change(accounts, editor, context);
      accounts.write(editor);
      const added = [...accounts.users.keys()].filter((user) => !before.has(user)).sort(compareUtf8);
      const summary = `${accounts.users.size} users, ${accounts.groups.size} groups`;
      return editor.effect(added.length === 0 ? summary : `${summary}; added ${added.join(", ")}`);
    },
  };
}
