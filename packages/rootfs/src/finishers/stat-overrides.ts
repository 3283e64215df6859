import { AccountDatabase } from "../accounts/account-database.ts";
import type { PackageFinisher } from "../finisher.ts";
import type { ShellValue } from "../scripts/shell-state.ts";
import { finisherEditor } from "./editor.ts";

/** One `dpkg-statoverride --add`. */
export interface StatOverride {
  user: string;
  group: string;
  mode: number;
  path: string;
}

/** Reads a `dpkg-statoverride --add user group mode path`; undefined where it is anything else. */
export function parseStatOverride([command, ...words]: readonly ShellValue[]): StatOverride | undefined {
  if (command !== "dpkg-statoverride" || !words.includes("--add") || words.includes(undefined)) return undefined;
  const [user, group, mode, path] = (words as string[]).filter((word) => !word.startsWith("--"));
  if (!user || !group || !path?.startsWith("/") || !/^[0-7]{3,4}$/.test(mode ?? "")) return undefined;
  return { user: user.replace(/^#/, ""), group: group.replace(/^#/, ""), mode: Number.parseInt(mode!, 8), path };
}

/** Owners and permissions that packages set with dpkg-statoverride, set-id bits among them. */
export const statOverridesFinisher: PackageFinisher = {
  name: "stat-overrides",
  replaces: ["dpkg-statoverride"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const accounts = AccountDatabase.read(editor);
    let count = 0;
    for (const { argv } of context.commands) {
      const override = parseStatOverride(argv);
      const uid = override && accounts.userId(override.user);
      const gid = override && accounts.groupId(override.group);
      if (!override || uid === undefined || gid === undefined) continue;
      if (editor.setAttributes(override.path, { uid, gid, mode: override.mode })) count++;
    }
    return editor.effect(`${count} overrides`);
  },
};
