import { dumpTree, type FileTree, readContent } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import type { PackageFinisher } from "../finisher.ts";
import { treeFixture } from "../tree.fixture.ts";
import { basePasswdFinisher, rootAccountFinisher, serviceAccountsFinisher, sysusersFinisher } from "./accounts.ts";
import { autologinFinisher } from "./autologin.ts";
import { type ContextInput, contextFixture } from "./context.fixture.ts";
import { pamFinisher } from "./pam.ts";
import {
  hostnameFinisher,
  initFinisher,
  localeFinisher,
  machineIdFinisher,
  osReleaseFinisher,
  timezoneFinisher,
  updateMarksFinisher,
} from "./system-identity.ts";
import { parseTmpfiles, tmpfilesFinisher } from "./tmpfiles.ts";

async function finish(files: Record<string, string>, finishers: PackageFinisher[], input: ContextInput = {}) {
  const tree = treeFixture(files);
  for (const finisher of finishers) await finisher.finish(tree, contextFixture(input));
  return tree;
}

const text = (tree: FileTree, path: string): string | undefined => {
  const node = tree.follow(path);
  return node?.kind === "file" ? readContent(node.content).toString() : undefined;
};

describe("accounts of an image", () => {
  it("has root and nobody without base-passwd, root locked", async () => {
    const tree = await finish({}, [basePasswdFinisher, rootAccountFinisher]);
    expect(text(tree, "/etc/shadow")).toBe("root:!*::0:99999:7:::\nnobody:!*::0:99999:7:::\n");
    expect(tree.get("/root")).toMatchObject({ kind: "directory", mode: 0o700 });
  });

  it("takes root's password and shell from the profile", async () => {
    const content = { rootPasswordHash: "$6$salt$hash", rootShell: "/bin/zsh" };
    const tree = await finish({}, [basePasswdFinisher, rootAccountFinisher], { content });
    expect(text(tree, "/etc/shadow")).toContain("root:$6$salt$hash::0:99999:7:::\n");
    expect(text(tree, "/etc/passwd")).toContain("root:x:0:0:root:/root:/bin/zsh\n");
  });

  it("reads sysusers.d of packages and extra trees, the latter first", async () => {
    const files = {
      "/usr/lib/sysusers.d/a.conf": "u a 300\n",
      "/etc/sysusers.d/a.conf": "u a 301\n",
      "/usr/lib/sysusers.d/b.conf": "g b 400\n",
    };
    const tree = await finish(files, [basePasswdFinisher, sysusersFinisher]);
    expect(text(tree, "/etc/passwd")).toContain("a:x:301:301::/:/usr/sbin/nologin\n");
    expect(text(tree, "/etc/group")).toContain("b:x:400:\n");
  });

  it("makes the accounts of services", async () => {
    const service = { name: "s", description: "A node", user: "node", groups: ["tss", "eth"] };
    const profile = { services: [service as never] };
    const tree = await finish({}, [basePasswdFinisher, serviceAccountsFinisher], { profile });
    expect(text(tree, "/etc/passwd")).toContain("node:x:999:999:A node:/:/usr/sbin/nologin\n");
    expect(text(tree, "/etc/group")).toContain("eth:x:997:node\ntss:x:998:node\n");
  });
});

describe("pam", () => {
  const PRIMARY = '# here are the per-package modules (the "Primary" block)';
  const FALLBACK = "# here's the fallback if no module succeeds";
  const ADDITIONAL = '# and here are more per-package modules (the "Additional" block)';
  const END = "# end of pam-auth-update config";
  const template = (type: string) =>
    [
      PRIMARY,
      `$${type}_primary`,
      FALLBACK,
      `${type} requisite pam_deny.so`,
      ADDITIONAL,
      `$${type}_additional`,
      END,
      "",
    ].join("\n");
  const UNIX = `Name: Unix authentication
Default: yes
Priority: 256
Auth-Type: Primary
Auth:
	[success=end default=ignore]	pam_unix.so nullok try_first_pass
Auth-Initial:
	[success=end default=ignore]	pam_unix.so nullok
Session-Type: Additional
Session:
	required	pam_unix.so
`;
  const files = {
    "/usr/share/pam/common-auth": template("auth"),
    "/usr/share/pam/common-session": template("session"),
    "/usr/share/pam/common-session-noninteractive": template("session"),
    "/usr/share/pam-configs/unix": UNIX,
    "/usr/share/pam-configs/sss":
      "Name: s\nDefault: yes\nPriority: 128\nAuth-Type: Primary\nAuth:\n\t[success=end default=ignore]\tpam_sss.so\n",
    "/usr/share/pam-configs/systemd":
      "Name: d\nDefault: yes\nPriority: 0\nSession-Interactive-Only: yes\nSession-Type: Additional\nSession:\n\toptional\tpam_systemd.so\n",
    "/usr/share/pam-configs/off":
      "Name: o\nDefault: no\nPriority: 999\nAuth-Type: Primary\nAuth:\n\trequired\tpam_off.so\n",
  };

  it("joins templates and profiles by priority, jumps counted", async () => {
    const tree = await finish(files, [pamFinisher]);
    expect(text(tree, "/etc/pam.d/common-auth")?.split("\n").slice(0, 4)).toEqual([
      PRIMARY,
      "auth\t[success=2 default=ignore]\tpam_unix.so nullok",
      "auth\t[success=1 default=ignore]\tpam_sss.so",
      FALLBACK,
    ]);
    expect(text(tree, "/etc/pam.d/common-session")?.split("\n").slice(1, 8)).toEqual([
      "session\t[default=1]\t\t\tpam_permit.so",
      FALLBACK,
      "session requisite pam_deny.so",
      ADDITIONAL,
      "session\trequired\tpam_unix.so",
      "session\toptional\tpam_systemd.so",
      END,
    ]);
    expect(text(tree, "/etc/pam.d/common-session-noninteractive")).not.toContain("pam_systemd");
    expect(tree.has("/etc/pam.d/common-password")).toBe(false);
  });
});

describe("tmpfiles", () => {
  it("makes static directories, links and files; the rest is for boot", async () => {
    const conf = `d /var/lib/a 0750 root shadow -
q /var/tmp 1777 root root 30d
d /var/lib/b -
d /run/x 0755 root root -
d /var/lib/%m 0755
d /var/lib/nobody-knows 0755 frob frob -
d /there :0700 root root
L /etc/l - - - - ../x
L+ /etc/mtab - - - - ../proc/self/mounts
L /etc/factory
C /etc/copied
f /etc/f 0600 - - - with text
f^ /etc/credential - - - - some.credential
z /etc/f 0640
`;
    const files = {
      "/usr/lib/tmpfiles.d/x.conf": conf,
      "/etc/mtab": "old",
      "/srv/": "",
      "/usr/share/factory/etc/copied": "C",
    };
    const tree = await finish(files, [basePasswdFinisher, tmpfilesFinisher]);
    expect(dumpTree(tree)).toMatchObject({
      "/var/lib/a": "directory 0750 0:42",
      "/var/lib/b": "directory 0755 0:0",
      "/var/tmp": "directory 1777 0:0",
      "/etc/l": "symlink ../x",
      "/etc/mtab": "symlink ../proc/self/mounts",
      "/etc/factory": "symlink /usr/share/factory/etc/factory",
    });
    expect(text(tree, "/etc/f")).toBe("with text");
    expect(text(tree, "/etc/copied")).toBe("C");
    for (const path of ["/run/x", "/var/lib/%m", "/var/lib/nobody-knows", "/there", "/etc/credential"]) {
      expect(tree.has(path), path).toBe(false);
    }
  });

  it("says which line it does not know", () => {
    expect(() => parseTmpfiles("d relative\n", "/x.conf")).toThrow(
      "cannot decode /x.conf: expected a type and an absolute path on line 1",
    );
  });
});

describe("what an image says of itself", () => {
  it("writes names, zone, locale and id", async () => {
    const content = { hostname: "node", timezone: "Europe/Berlin", locale: "C.UTF-8", machineId: "0".repeat(32) };
    const files = {
      "/usr/share/zoneinfo/Europe/Berlin": "TZif",
      "/usr/lib/os-release": 'ID=debian\nIMAGE_ID=old\nNAME="Debian"\n',
    };
    const tree = await finish(
      files,
      [hostnameFinisher, timezoneFinisher, localeFinisher, machineIdFinisher, osReleaseFinisher],
      { content },
    );
    expect(dumpTree(tree)).toMatchObject({
      "/etc/localtime": "symlink ../usr/share/zoneinfo/Europe/Berlin",
      "/etc/default/locale": "symlink ../locale.conf",
      "/etc/os-release": "symlink ../usr/lib/os-release",
    });
    expect(text(tree, "/etc/hostname")).toBe("node\n");
    expect(text(tree, "/etc/hosts")).toBe(
      "127.0.0.1\tlocalhost\n127.0.1.1\tnode\n::1\t\tlocalhost ip6-localhost ip6-loopback\n",
    );
    expect(text(tree, "/etc/timezone")).toBe("Europe/Berlin\n");
    expect(text(tree, "/etc/locale.conf")).toBe("LANG=C.UTF-8\n");
    expect(text(tree, "/etc/machine-id")).toBe(`${"0".repeat(32)}\n`);
    expect(text(tree, "/usr/lib/os-release")).toBe('ID=debian\nNAME="Debian"\nIMAGE_ID=test\nIMAGE_VERSION=1\n');
  });

  it("has an empty machine id unless told otherwise", async () => {
    const tree = await finish({}, [machineIdFinisher]);
    expect(dumpTree(tree)).toEqual({ "/etc/machine-id": "file 0444 0:0 0 e3b0c442" });
  });

  it("says which package a time zone needs", async () => {
    await expect(finish({}, [timezoneFinisher], { content: { timezone: "Mars/Olympus" } })).rejects.toThrow(
      'cannot set Timezone= "Mars/Olympus": expected /usr/share/zoneinfo/Mars/Olympus in the image',
    );
  });

  it("leads /init to systemd, and is no initrd that something follows", async () => {
    const tree = await finish({ "/usr/lib/systemd/systemd": "", "/etc/initrd-release": "" }, [
      initFinisher,
      updateMarksFinisher,
    ]);
    expect(dumpTree(tree)).toMatchObject({
      "/init": "symlink usr/lib/systemd/systemd",
      "/tmp": "directory 1777 0:0",
      "/proc": "directory 0755 0:0",
    });
    expect(tree.has("/etc/initrd-release")).toBe(false);
    expect(text(tree, "/etc/.updated")).toBe("TIMESTAMP_NSEC=1757635200000000000\n");
  });

  it("logs in by itself only where asked", async () => {
    expect(dumpTree(await finish({}, [autologinFinisher]))).toEqual({ "/": "directory 0755 0:0" });
    const tree = await finish({}, [autologinFinisher], { content: { autologin: true } });
    expect(text(tree, "/etc/systemd/system/serial-getty@.service.d/autologin.conf")).toBe(
      "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root -o '-f -- \\\\u' --keep-baud 115200,57600,38400,9600 - ${TERM}\n",
    );
  });
});
