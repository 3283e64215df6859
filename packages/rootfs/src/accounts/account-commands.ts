import type { ShellValue } from "../scripts/shell-state.ts";
import { type AccountDatabase, isAccountName } from "./account-database.ts";

/** What a command of a maintainer script asks of the accounts. */
export type AccountRequest =
  | { kind: "group"; name: string; gid?: number }
  | {
      kind: "user";
      name: string;
      uid?: number;
      group?: string;
      comment?: string;
      home?: string;
      shell?: string;
      createsHome: boolean;
    }
  | { kind: "member"; user: string; group: string };

const COMMANDS = new Set(["adduser", "addgroup", "groupadd", "useradd", "usermod", "gpasswd"]);
/** Options that take a value, by the meaning it has here. */
const VALUE_OPTIONS: Readonly<Record<string, string>> = {
  "--home": "home",
  "--home-dir": "home",
  "-d": "home",
  "--shell": "shell",
  "-s": "shell",
  "--uid": "uid",
  "-u": "uid",
  "--gid": "gid",
  "-g": "gid",
  "--ingroup": "group",
  "--gecos": "comment",
  "--comment": "comment",
  "-c": "comment",
  "--groups": "groups",
  "-G": "groups",
  "-a": "add",
  "--firstuid": "ignored",
  "--lastuid": "ignored",
  "--firstgid": "ignored",
  "--lastgid": "ignored",
  "--conf": "ignored",
  "--base-dir": "ignored",
  "-K": "ignored",
};

/**
 * Reads an `adduser`, `addgroup`, `groupadd`, `useradd`, `usermod -aG` or `gpasswd -a` command.
 * @returns undefined where it is another command, or an argument is only known when the script runs
 */
export function parseAccountCommand(argv: readonly ShellValue[]): AccountRequest[] | undefined {
  const [command, ...rest] = argv;
  if (command === undefined || !COMMANDS.has(command) || rest.includes(undefined)) return undefined;
  const { options, flags, operands } = splitOptions(command, rest as string[]);
  const [first, second] = operands;
  // An option that is not known here may have taken the next word for its value.
  if (operands.length > (command === "adduser" ? 2 : 1) || !operands.every(isAccountName)) return undefined;
  if (command === "gpasswd") {
    return options.add && first ? [{ kind: "member", user: options.add, group: first }] : undefined;
  }
  if (first === undefined) return undefined;
  if (command === "usermod") {
    const isMore = Object.keys(options).some((name) => name !== "groups");
    const names = isMore ? [] : (options.groups?.split(",") ?? []);
    return names.length > 0 ? names.map((group) => ({ kind: "member", user: first, group })) : undefined;
  }
  if (
    command === "groupadd" ||
    command === "addgroup" ||
    (command === "adduser" && flags.has("--group") && !flags.has("--system"))
  ) {
    return [{ kind: "group", name: first, ...numeric("gid", options.gid) }];
  }
  if (command === "adduser" && second !== undefined) return [{ kind: "member", user: first, group: second }];
  if (command === "adduser" && !flags.has("--system")) return undefined;
  return [userRequest(first, { command, options, flags })];
}

/** Carries out a request; says which home directory is to be made, for whom. */
export function applyAccountRequest(
  accounts: AccountDatabase,
  request: AccountRequest,
): { path: string; uid: number; gid: number } | undefined {
  if (request.kind === "group") {
    accounts.ensureGroup(request.name, request.gid);
    return undefined;
  }
  if (request.kind === "member") {
    if (accounts.users.has(request.user)) accounts.addMember(request.group, request.user);
    return undefined;
  }
  const { name, createsHome, kind: _, ...options } = request;
  const isNew = !accounts.users.has(name);
  const { home, uid, gid } = accounts.ensureUser(name, options);
  return isNew && createsHome && home !== "/nonexistent" ? { path: home, uid, gid } : undefined;
}

function userRequest(
  name: string,
  { command, options, flags }: { command: string; options: Record<string, string>; flags: Set<string> },
): AccountRequest {
  const hasOwnGroup = flags.has("--group") || flags.has("--user-group") || flags.has("-U");
  const group = options.group ?? options.gid ?? (hasOwnGroup || command === "useradd" ? undefined : "nogroup");
  const noHome = flags.has("--no-create-home") || flags.has("--no-create-home-dir") || flags.has("-M");
  const createsHome =
    command === "adduser" ? !noHome && options.home !== undefined : flags.has("--create-home") || flags.has("-m");
  return {
    kind: "user",
    name,
    createsHome,
    ...numeric("uid", options.uid),
    ...(group === undefined ? {} : { group }),
    ...(options.comment === undefined ? {} : { comment: options.comment }),
    ...(options.home === undefined ? {} : { home: options.home }),
    ...(options.shell === undefined ? {} : { shell: options.shell }),
  };
}

function numeric<Key extends string>(key: Key, text: string | undefined): Partial<Record<Key, number>> {
  return text !== undefined && /^[0-9]+$/.test(text) ? ({ [key]: Number(text) } as Partial<Record<Key, number>>) : {};
}

function splitOptions(
  command: string,
  words: string[],
): { options: Record<string, string>; flags: Set<string>; operands: string[] } {
  const options: Record<string, string> = {};
  const flags = new Set<string>();
  const operands: string[] = [];
  const queue = words.flatMap((word) => (word === "-aG" ? ["--append", "-G"] : [word]));
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    const equals = word.startsWith("--") ? word.indexOf("=") : -1;
    const option = equals < 0 ? word : word.slice(0, equals);
    const meaning = command === "usermod" && option === "-a" ? undefined : VALUE_OPTIONS[option];
    if (meaning !== undefined) options[meaning] = equals < 0 ? (queue.shift() ?? "") : word.slice(equals + 1);
    else if (word.startsWith("-")) flags.add(word);
    else operands.push(word);
  }
  return { options, flags, operands };
}
