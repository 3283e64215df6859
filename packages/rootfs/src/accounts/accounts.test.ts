import { describe, expect, it } from "vitest";
import { TreeEditor } from "../tree-editor.ts";
import { treeFixture } from "../tree.fixture.ts";
import { applyAccountRequest, parseAccountCommand } from "./account-commands.ts";
import { AccountDatabase } from "./account-database.ts";
import { applySysusers, parseSysusers } from "./sysusers.ts";

function editorOf(files: Record<string, string>): TreeEditor {
  return new TreeEditor(treeFixture(files), { origin: { kind: "finisher", name: "test" }, mtimeSec: 0 });
}

const PASSWD = "root:*:0:0:root:/root:/bin/bash\nnobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const GROUP = "root:*:0:\nshadow:*:42:\nnogroup:*:65534:\n";
const written = (accounts: AccountDatabase) => {
  const editor = editorOf({ "/etc/": "" });
  accounts.write(editor);
  return (path: string) => editor.readText(path);
};
const fresh = () => AccountDatabase.read(editorOf({ "/etc/passwd": PASSWD, "/etc/group": GROUP }));

describe("AccountDatabase", () => {
  it("writes lines by id, everything locked, shadow readable by its group only", () => {
    const accounts = fresh();
    accounts.ensureUser("b", { comment: "two: words", home: "/b", isExpired: true });
    accounts.ensureUser("a", { uid: 5, group: "shadow" });
    accounts.addMember("root", "b");
    const editor = editorOf({ "/etc/": "" });
    accounts.write(editor);
    expect(editor.readText("/etc/passwd")).toBe(
      "root:x:0:0:root:/root:/bin/bash\na:x:5:42::/nonexistent:/usr/sbin/nologin\n" +
        "b:x:999:999:two  words:/b:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    );
    expect(editor.readText("/etc/group")).toBe("root:x:0:b\nshadow:x:42:\nb:x:999:\nnogroup:x:65534:\n");
    expect(editor.readText("/etc/shadow")).toBe(
      "root:!*::0:99999:7:::\na:!*::0:99999:7:::\nb:!*::0:99999:7::1:\nnobody:!*::0:99999:7:::\n",
    );
    expect(editor.tree.get("/etc/shadow")).toMatchObject({ mode: 0o640, uid: 0, gid: 42 });
    expect(editor.tree.get("/etc/passwd")).toMatchObject({ mode: 0o644, uid: 0, gid: 0 });
  });

  it("reads back what it wrote", () => {
    const accounts = fresh();
    accounts.ensureUser("b", { isExpired: true }).password = "$6$x$y";
    const text = written(accounts);
    const again = AccountDatabase.read(
      editorOf({
        "/etc/passwd": text("/etc/passwd")!,
        "/etc/group": text("/etc/group")!,
        "/etc/shadow": text("/etc/shadow")!,
      }),
    );
    expect(again.users).toEqual(accounts.users);
    expect(again.groups).toEqual(accounts.groups);
  });

  it("says when a line has no id, a name cannot be one, or ids run out", () => {
    expect(() => fresh().addUserLines("x:*:abc:0:::", "/f")).toThrow(
      'cannot read "/f": expected a numeric id, got "abc"',
    );
    expect(() => fresh().ensureUser("a:b")).toThrow('cannot make account "a:b"');
    const full = fresh();
    for (let count = 0; count < 900; count++) full.ensureGroup(`g${count}`);
    expect(() => full.ensureGroup("last")).toThrow("expected a free id in 100..999, got none");
  });
});

describe("sysusers", () => {
  it("takes fixed ids first, then counts down from 999 in order", () => {
    const accounts = fresh();
    const text = `# comment
u a - "A daemon" /var/lib/a /bin/sh
u! b 990 -
u c 991:root
u d 992:nogroup
g input -
g fixed 999
m a input
m late root
r - 500-600
`;
    applySysusers(accounts, parseSysusers(text, "/x.conf"));
    expect(written(accounts)("/etc/passwd")!.split("\n").slice(1, -2)).toEqual([
      "b:x:990:990::/:/usr/sbin/nologin",
      "c:x:991:0::/:/usr/sbin/nologin",
      "d:x:992:65534::/:/usr/sbin/nologin",
      "late:x:996:996::/:/usr/sbin/nologin",
      "a:x:997:997:A daemon:/var/lib/a:/bin/sh",
    ]);
    expect(accounts.groups.get("input")).toMatchObject({ gid: 998, members: new Set(["a"]) });
    expect(accounts.groups.get("root")!.members).toEqual(new Set(["late"]));
    expect(accounts.users.get("b")!.isExpired).toBe(true);
  });

  it("says which line it does not know", () => {
    expect(() => parseSysusers("\nq x\n", "/x.conf")).toThrow(
      "cannot decode /x.conf: expected a type of u, u!, g, m or r and a name on line 2",
    );
  });
});

describe("account commands", () => {
  it.each([
    ["adduser --system --group d", [{ kind: "user", name: "d", createsHome: false }]],
    ["adduser --system --home /v d", [{ kind: "user", name: "d", createsHome: true, home: "/v", group: "nogroup" }]],
    [
      "adduser --system --ingroup g --shell /bin/false --home /v --no-create-home --gecos c --uid 7 d",
      [
        {
          kind: "user",
          name: "d",
          createsHome: false,
          home: "/v",
          group: "g",
          shell: "/bin/false",
          comment: "c",
          uid: 7,
        },
      ],
    ],
    ["adduser d g", [{ kind: "member", user: "d", group: "g" }]],
    ["addgroup --system g", [{ kind: "group", name: "g" }]],
    ["addgroup --gid 9 g", [{ kind: "group", name: "g", gid: 9 }]],
    ["groupadd -r -g 42 g", [{ kind: "group", name: "g", gid: 42 }]],
    [
      "useradd -r -M -d /v -s /bin/sh d",
      [{ kind: "user", name: "d", createsHome: false, home: "/v", shell: "/bin/sh" }],
    ],
    [
      "usermod -aG a,b d",
      [
        { kind: "member", user: "d", group: "a" },
        { kind: "member", user: "d", group: "b" },
      ],
    ],
    ["usermod -a -G a d", [{ kind: "member", user: "d", group: "a" }]],
    ["gpasswd -a d g", [{ kind: "member", user: "d", group: "g" }]],
    ["adduser d", undefined],
    ["useradd -b /var/lib d", undefined],
    ["useradd -p secret d", undefined],
    ["usermod -s /bin/sh -G a d", undefined],
    ["usermod -L d", undefined],
    ["deluser d", undefined],
  ])("%s", (command, expected) => {
    expect(parseAccountCommand(command.split(" "))).toEqual(expected);
  });

  it("leaves alone what is not known", () => {
    expect(parseAccountCommand(["adduser", "--system", undefined])).toBeUndefined();
  });

  it("makes a home only for a new user", () => {
    const accounts = fresh();
    const [request] = parseAccountCommand(["adduser", "--system", "--home", "/v", "d"])!;
    expect(applyAccountRequest(accounts, request!)).toEqual({ path: "/v", uid: 999, gid: 65534 });
    expect(applyAccountRequest(accounts, request!)).toBeUndefined();
  });
});
