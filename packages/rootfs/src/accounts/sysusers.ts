import { FormatError } from "@cvm-build/bytes";
import type { AccountDatabase } from "./account-database.ts";

/** One line of a sysusers.d file, fields as written; `-` and missing ones are undefined. */
export interface SysusersLine {
  type: "u" | "u!" | "g" | "m" | "r";
  name: string;
  id?: string;
  comment?: string;
  home?: string;
  shell?: string;
}

/**
 * Parses a sysusers.d file.
 * @throws FormatError naming the file and line
 * @see sysusers.d(5)
 */
export function parseSysusers(text: string, file: string): SysusersLine[] {
  return text.split("\n").flatMap((line, index) => {
    if (/^\s*(#|$)/.test(line)) return [];
    const [type = "", name = "", id, comment, home, shell] = splitQuoted(line);
    if (!/^(u!?|g|m|r)$/.test(type) || name === "") {
      const expected = "expected a type of u, u!, g, m or r and a name";
      throw new FormatError({ record: file }, `${expected} on line ${index + 1}, got ${JSON.stringify(line)}`);
    }
    const given = (value: string | undefined): string | undefined =>
      value === "-" || value === "" ? undefined : value;
    const fields = { id: given(id), comment: given(comment), home: given(home), shell: given(shell) };
    const known = Object.entries(fields).filter(([, value]) => value !== undefined);
    return [{ type: type as SysusersLine["type"], name, ...Object.fromEntries(known) }];
  });
}

/**
 * Applies sysusers.d lines in systemd's order: groups, then users, then memberships. Those with fixed ids come first, so
 * that an allocated id never takes one of theirs.
 */
export function applySysusers(accounts: AccountDatabase, lines: SysusersLine[]): void {
  const hasFixedId = ({ id }: SysusersLine): boolean => id !== undefined && /^[0-9]/.test(id);
  for (const fixed of [true, false]) {
    for (const line of lines.filter((candidate) => candidate.type === "g" && hasFixedId(candidate) === fixed)) {
      accounts.ensureGroup(line.name, fixed ? Number.parseInt(line.id!, 10) : undefined);
    }
    for (const line of lines.filter((candidate) => candidate.type.startsWith("u") && hasFixedId(candidate) === fixed)) {
      addUser(accounts, line);
    }
  }
  for (const line of lines.filter(({ type, id }) => type === "m" && id !== undefined)) {
    accounts.ensureUser(line.name, { home: "/" });
    accounts.addMember(line.id!, line.name);
  }
}

function addUser(accounts: AccountDatabase, line: SysusersLine): void {
  const [uid = "", group] = (line.id ?? "").split(":");
  const isNumber = /^[0-9]+$/.test(uid);
  const groupOption = group === undefined ? {} : { group: /^[0-9]+$/.test(group) ? Number(group) : group };
  accounts.ensureUser(line.name, {
    ...(isNumber ? { uid: Number(uid) } : {}),
    ...groupOption,
    comment: line.comment ?? "",
    home: line.home ?? "/",
    shell: line.shell ?? (uid === "0" ? "/bin/sh" : "/usr/sbin/nologin"),
    isExpired: line.type === "u!",
  });
}

/** Fields parted by blanks, quotes respected: the common line format of sysusers.d and tmpfiles.d. */
export function splitQuoted(line: string): string[] {
  const fields = line.matchAll(/"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(\S+)/g);
  return [...fields].map(([, double, single, plain]) => (double ?? single)?.replace(/\\(.)/g, "$1") ?? plain ?? "");
}
