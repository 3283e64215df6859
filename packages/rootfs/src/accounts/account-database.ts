import { assert, CvmError } from "@cvm-build/bytes";
import { compareUtf8 } from "@cvm-build/fs-writer";
import type { TreeEditor } from "../tree-editor.ts";

/** System accounts without a fixed id get one from this range, downwards (systemd's SYSTEM_UID_MAX). */
const HIGHEST_SYSTEM_ID = 999;
const LOWEST_SYSTEM_ID = 100;
/** What locks a password: no crypt(3) hash can equal it. */
const LOCKED = "!*";
const NAME = /^[a-zA-Z_][a-zA-Z0-9_.-]{0,30}\$?$/;

/** A line of passwd(5) and what shadow(5) adds to it. */
export interface User {
  name: string;
  uid: number;
  gid: number;
  comment: string;
  home: string;
  shell: string;
  /** A crypt(3) hash, or what locks the account. */
  password: string;
  /** An expired account cannot be used whatever its password (`u!` of sysusers.d). */
  isExpired: boolean;
}

/** A line of group(5). */
export interface Group {
  name: string;
  gid: number;
  members: Set<string>;
}

/** What a new account needs beside its name; what is left out gets Debian's default for system accounts. */
export interface NewUser {
  uid?: number;
  /** Name of its primary group, or its id. Absent: a group of its own name, made if need be. */
  group?: string | number;
  comment?: string;
  home?: string;
  shell?: string;
  isExpired?: boolean;
}

/** /etc/passwd, /etc/group, /etc/shadow and /etc/gshadow as one value. */
export class AccountDatabase {
  readonly users = new Map<string, User>();
  readonly groups = new Map<string, Group>();

  /** Reads the four files of a tree; those that are missing count as empty. */
  static read(editor: TreeEditor): AccountDatabase {
    const database = new AccountDatabase();
    database.addGroupLines(editor.readText("/etc/group") ?? "", "/etc/group");
    database.addUserLines(editor.readText("/etc/passwd") ?? "", "/etc/passwd");
    for (const [name = "", password = "", , , , , , expiry = ""] of fieldsOf(editor.readText("/etc/shadow") ?? "")) {
      const user = database.users.get(name);
      if (user) Object.assign(user, { password, isExpired: expiry !== "" });
    }
    return database;
  }

  /** Adds the lines of a passwd(5) file. */
  addUserLines(text: string, file: string): void {
    for (const [name = "", , uid = "", gid = "", comment = "", home = "", shell = ""] of fieldsOf(text)) {
      const ids = { uid: parseId(uid, file), gid: parseId(gid, file) };
      this.users.set(name, { name, ...ids, comment, home, shell, password: LOCKED, isExpired: false });
    }
  }

  /** Adds the lines of a group(5) file. */
  addGroupLines(text: string, file: string): void {
    for (const [name = "", , gid = "", members = ""] of fieldsOf(text)) {
      this.groups.set(name, { name, gid: parseId(gid, file), members: new Set(members.split(",").filter(Boolean)) });
    }
  }

  /** Makes a group where there is none of that name. */
  ensureGroup(name: string, gid?: number): Group {
    const existing = this.groups.get(name);
    if (existing) return existing;
    checkName(name);
    const group = { name, gid: gid ?? this.#allocate(), members: new Set<string>() };
    this.groups.set(name, group);
    return group;
  }

  /** Makes a user where there is none of that name. */
  ensureUser(name: string, options: NewUser = {}): User {
    const existing = this.users.get(name);
    if (existing) return existing;
    checkName(name);
    const ids = this.#userIds(name, options);
    const { comment = "", home = "/nonexistent", shell = "/usr/sbin/nologin", isExpired = false } = options;
    const user = { name, ...ids, comment: clean(comment), home, shell, password: LOCKED, isExpired };
    this.users.set(name, user);
    return user;
  }

  addMember(group: string, user: string): void {
    this.ensureGroup(group).members.add(user);
  }

  /** The id of a user: a name or a number. Undefined where there is no such user. */
  userId(nameOrId: string): number | undefined {
    return /^[0-9]+$/.test(nameOrId) ? Number(nameOrId) : this.users.get(nameOrId)?.uid;
  }

  /** The id of a group: a name or a number. Undefined where there is no such group. */
  groupId(nameOrId: string): number | undefined {
    return /^[0-9]+$/.test(nameOrId) ? Number(nameOrId) : this.groups.get(nameOrId)?.gid;
  }

  /**
   * Writes the four files, lines ordered by id. Dates of password changes are left empty: "never changed" is the only
   * value that is neither a clock's nor, at day 0, an order to change the password.
   */
  write(editor: TreeEditor): void {
    const users = [...this.users.values()].sort((a, b) => a.uid - b.uid || compareUtf8(a.name, b.name));
    const groups = [...this.groups.values()].sort((a, b) => a.gid - b.gid || compareUtf8(a.name, b.name));
    const members = (group: Group): string => [...group.members].sort(compareUtf8).join(",");
    const secret = { mode: 0o640, gid: this.groups.get("shadow")?.gid ?? 0 };
    const passwd = users.map((user) => {
      const { name, uid, gid, comment, home, shell } = user;
      return `${name}:x:${uid}:${gid}:${comment}:${home}:${shell}`;
    });
    editor.writeFile("/etc/passwd", lines(passwd));
    editor.writeFile("/etc/group", lines(groups.map((group) => `${group.name}:x:${group.gid}:${members(group)}`)));
    const shadow = users.map((user) => `${user.name}:${user.password}::0:99999:7::${user.isExpired ? "1" : ""}:`);
    editor.writeFile("/etc/shadow", lines(shadow), secret);
    editor.writeFile(
      "/etc/gshadow",
      lines(groups.map((group) => `${group.name}:${LOCKED}::${members(group)}`)),
      secret,
    );
  }

  #userIds(name: string, { uid, group }: NewUser): { uid: number; gid: number } {
    if (group !== undefined) {
      const gid = typeof group === "number" ? group : this.ensureGroup(group).gid;
      return { uid: uid ?? this.#allocate(), gid };
    }
    const own = this.groups.get(name);
    if (own) return { uid: uid ?? (this.#isUserIdFree(own.gid) ? own.gid : this.#allocate()), gid: own.gid };
    const id = uid ?? this.#allocate();
    const gid = this.#isGroupIdFree(id) ? id : this.#allocate();
    this.groups.set(name, { name, gid, members: new Set() });
    return { uid: id, gid };
  }

  /** The highest system id that is neither a user's nor a group's. */
  #allocate(): number {
    for (let id = HIGHEST_SYSTEM_ID; id >= LOWEST_SYSTEM_ID; id--) {
      if (this.#isUserIdFree(id) && this.#isGroupIdFree(id)) return id;
    }
    const range = `${LOWEST_SYSTEM_ID}..${HIGHEST_SYSTEM_ID}`;
    throw new CvmError("accounts", `cannot allocate a system account: expected a free id in ${range}, got none`);
  }

  #isUserIdFree(id: number): boolean {
    return [...this.users.values()].every(({ uid }) => uid !== id);
  }

  #isGroupIdFree(id: number): boolean {
    return [...this.groups.values()].every(({ gid }) => gid !== id);
  }
}

function fieldsOf(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}

function parseId(text: string, file: string): number {
  if (/^[0-9]{1,10}$/.test(text) && Number(text) <= 0xffff_fffe) return Number(text);
  throw new CvmError("accounts", `cannot read "${file}": expected a numeric id, got ${JSON.stringify(text)}`);
}

/** Whether an account may have that name: what `useradd` of Debian accepts. */
export function isAccountName(name: string): boolean {
  return NAME.test(name);
}

function checkName(name: string): void {
  if (isAccountName(name)) return;
  throw new CvmError(
    "accounts",
    `cannot make account ${JSON.stringify(name)}: expected letters, digits, "_", "." or "-"`,
  );
}

/** A comment field without what would end it. */
function clean(comment: string): string {
  return comment.replace(/[:\n]/g, " ");
}

function lines(items: string[]): string {
  assert(
    items.every((item) => !item.includes("\n")),
    "an account line holds a newline",
  );
  return items.map((item) => `${item}\n`).join("");
}
