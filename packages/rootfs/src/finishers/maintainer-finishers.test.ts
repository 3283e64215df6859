import { dumpTree, type FileTree, readContent } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import type { PackageFinisher } from "../finisher.ts";
import { treeFixture } from "../tree.fixture.ts";
import { basePasswdFinisher, maintainerAccountsFinisher } from "./accounts.ts";
import { alternativesFinisher } from "./alternatives.ts";
import { baseFilesFinisher } from "./base-files.ts";
import { configurationCopiesFinisher } from "./configuration-copies.ts";
import { type ContextInput, contextFixture } from "./context.fixture.ts";
import { insertNameService, nameServiceSwitchFinisher, parseNameServiceEdit } from "./name-service-switch.ts";
import { plainFilesFinisher } from "./plain-files.ts";
import { shellsFinisher } from "./shells.ts";
import { statOverridesFinisher } from "./stat-overrides.ts";

/** Runs finishers in order on a tree of files; the last one's effect. */
async function finish(files: Record<string, string>, finishers: PackageFinisher[], input: ContextInput = {}) {
  const tree = treeFixture(files);
  const context = contextFixture(input);
  let effect = { summary: "", paths: [] as string[] };
  for (const finisher of finishers) effect = await finisher.finish(tree, context);
  return { tree, effect };
}

const text = (tree: FileTree, path: string): string | undefined => {
  const node = tree.follow(path);
  return node?.kind === "file" ? readContent(node.content).toString() : undefined;
};

describe("base-files", () => {
  it("does what its postinst does and leaves alone what is there", async () => {
    const files = {
      "/usr/share/base-files/dot.bashrc": "rc",
      "/usr/share/base-files/motd": "hello",
      "/etc/motd": "mine",
      "/var/lock/": "",
      "/var/run/kept": "",
    };
    const { tree } = await finish(files, [baseFilesFinisher], { postinst: { "base-files": "true" } });
    expect(text(tree, "/root/.bashrc")).toBe("rc");
    expect(text(tree, "/etc/motd")).toBe("mine");
    expect(dumpTree(tree)).toMatchObject({
      "/var/lock": "symlink /run/lock",
      "/var/mail": "directory 2775 0:8",
      "/run/lock": "directory 1777 0:0",
      "/var/log/btmp": "file 0660 0:43 0 e3b0c442",
      "/var/run/kept": "file 0644 0:0 0 e3b0c442",
    });
  });

  it("does nothing without the package", async () => {
    expect((await finish({}, [baseFilesFinisher])).effect).toEqual({ summary: "not in the image", paths: [] });
  });
});

describe("plain-files", () => {
  it("makes directories and empty files with the script's umask, and changes owners", async () => {
    const postinst = {
      x: "mkdir -p /var/lib/x\nmkdir -m 0700 /var/lib/y\nmkdir -p --mode=0710 /var/lib/held\nmkdir -pm 0711 /var/lib/after\nadduser --system --group d\nchown d:root /var/lib/x\nchmod 2750 /var/lib/x\numask 077\ntouch /etc/secret\nchgrp d /usr/bin/agent\nchmod 02755 /usr/bin/agent",
      z: "touch /etc/plain\n: > /var/log/z\nchown root:nogroup /etc/there",
    };
    const { tree } = await finish(
      { "/etc/there": "1", "/usr/bin/agent": "" },
      [basePasswdFinisher, maintainerAccountsFinisher, plainFilesFinisher],
      { postinst },
    );
    expect(dumpTree(tree)).toMatchObject({
      "/var/lib/x": "directory 2750 999:0",
      "/var/lib/y": "directory 0700 0:0",
      "/var/lib/held": "directory 0710 0:0",
      "/var/lib/after": "directory 0711 0:0",
      "/etc/secret": "file 0600 0:0 0 e3b0c442",
      "/etc/plain": "file 0644 0:0 0 e3b0c442",
      "/var/log/z": "file 0644 0:0 0 e3b0c442",
      "/usr/bin/agent": "file 2755 0:999 0 e3b0c442",
      "/etc/there": "file 0644 0:65534 1 6b86b273",
    });
  });

  it.each([
    "mkdir /usr/x",
    "touch /etc/../usr/x",
    "touch /etc/x.dpkg-new",
    "mkdir $(a)",
    "chown -R a /var",
    "touch /etc/*",
  ])("leaves alone: %s", async (command) => {
    const { effect } = await finish({}, [plainFilesFinisher], { postinst: { x: command } });
    expect(effect.paths).toEqual([]);
  });
});

describe("stat-overrides", () => {
  it("sets owner and bits of what is there", async () => {
    const postinst = {
      d: "adduser --system --group d\ndpkg-statoverride --update --add root d 4754 /usr/lib/h\ndpkg-statoverride --add a b 1 /no",
    };
    const { tree, effect } = await finish(
      { "/usr/lib/h": "" },
      [basePasswdFinisher, maintainerAccountsFinisher, statOverridesFinisher],
      { postinst },
    );
    expect(tree.get("/usr/lib/h")).toMatchObject({ mode: 0o4754, uid: 0, gid: 999 });
    expect(effect).toEqual({ summary: "1 overrides", paths: ["/usr/lib/h"] });
  });
});

describe("alternatives", () => {
  it("links the highest priority and those of its slaves that are there", async () => {
    const postinst = {
      less: "update-alternatives --quiet --install /usr/bin/pager pager /usr/bin/less 77 --slave /usr/share/man/pager.1.gz pager.1.gz /usr/share/man/less.1.gz",
      more: "update-alternatives --install /usr/bin/pager pager /usr/bin/more 50 --slave /usr/bin/p p /usr/bin/more",
      nvi: "update-alternatives --install /usr/bin/vi vi /usr/bin/nvi 30 --slave /usr/bin/ex ex /usr/bin/nex",
      gone: "update-alternatives --install /usr/bin/vi vi /usr/bin/gone 99",
    };
    const files = { "/usr/bin/less": "", "/usr/bin/more": "", "/usr/bin/nvi": "", "/usr/bin/nex": "" };
    const { tree, effect } = await finish(files, [alternativesFinisher], { postinst });
    expect(dumpTree(tree)).toMatchObject({
      "/etc/alternatives/pager": "symlink /usr/bin/less",
      "/usr/bin/pager": "symlink /etc/alternatives/pager",
      "/etc/alternatives/ex": "symlink /usr/bin/nex",
      "/usr/bin/vi": "symlink /etc/alternatives/vi",
    });
    expect(tree.has("/etc/alternatives/pager.1.gz")).toBe(false);
    expect(tree.has("/usr/bin/p")).toBe(false);
    expect(effect.summary).toBe("pager is /usr/bin/less, vi is /usr/bin/nvi");
  });

  it("keeps an administrator's choice", async () => {
    const postinst = { x: "update-alternatives --install /usr/bin/e e /usr/bin/x 1" };
    const { tree } = await finish(
      { "/usr/bin/x": "", "/etc/alternatives/e": "-> /usr/bin/mine" },
      [alternativesFinisher],
      { postinst },
    );
    expect(dumpTree(tree)).toMatchObject({ "/etc/alternatives/e": "symlink /usr/bin/mine" });
  });
});

describe("shells", () => {
  it("lists the shells of packages, each also by its real path", async () => {
    const files = {
      "/bin": "-> usr/bin",
      "/usr/share/debianutils/shells": "# /etc/shells: valid login shells\n/bin/sh\n",
      "/usr/share/debianutils/shells.d/bash": "/bin/bash # comment\n",
      "/usr/bin/sh": "",
    };
    const input = { postinst: { x: "add-shell /opt/x/shell /bin/bash\nadd-shell $(which y)" } };
    const { tree } = await finish(files, [shellsFinisher], input);
    expect(text(tree, "/etc/shells")).toBe(
      "# /etc/shells: valid login shells\n/bin/sh\n/usr/bin/sh\n/bin/bash\n/usr/bin/bash\n/opt/x/shell\n",
    );
  });
});

describe("configuration-copies", () => {
  it("copies defaults unless something is there", async () => {
    const postinst = {
      c: "ucf --three-way /usr/share/c/a /etc/c/a\ncp -p /usr/share/c/b /etc/b\ncp /usr/share/c/a /usr/x",
    };
    const { tree } = await finish(
      { "/usr/share/c/a": "A", "/usr/share/c/b": "B", "/etc/b": "mine" },
      [configurationCopiesFinisher],
      { postinst },
    );
    expect([text(tree, "/etc/c/a"), text(tree, "/etc/b"), tree.has("/usr/x")]).toEqual(["A", "mine", false]);
  });
});

/** The edits of libnss-resolve, -myhostname, -mymachines and -systemd 257 in trixie. */
const SED = String.raw`sed -E -i "\${DPKG_ROOT}/etc/nsswitch.conf"`.replace("\\$", "$");
const RESOLVE = String.raw`${SED} -e '/^hosts:\s[^#]*$/ s/(\s)(dns(\s+\[[^]]+\])?)(\s|$)/\1resolve \[!UNAVAIL=return\] \2 /' -e '/^hosts:\s.*#/ s/(\s)(dns(\s+\[[^]]+\])?)(\s|#)/\1resolve \[!UNAVAIL=return\] \2 /' -e 's/ $//'`;
const MYHOSTNAME = String.raw`${SED} -e '/^hosts:\s[^#]*$/ s/(\s)(files(\s+\[[^]]+\])?)(\s|$)/\1\2 myhostname /' -e 's/ $//'`;
const MYMACHINES = String.raw`${SED} -e '/^hosts:\s[^#]*$/ s/(\s)(resolve(\s+\[[^]]+\])?|dns(\s+\[[^]]+\])?)(\s|$)/\1mymachines \2 /' -e 's/ $//'`;
const SYSTEMD = String.raw`${SED} -e '/^passwd:\s[^#]*$/ s/$/ systemd/' -e '/^passwd:\s.*#/ s/#/ systemd #/'`;

describe("name-service-switch", () => {
  it("adds what libnss packages ask for, where they ask for it", async () => {
    const template = "# c\npasswd:         files\nhosts:          files dns # local\n";
    const postinst = {
      "libnss-myhostname": MYHOSTNAME,
      "libnss-mymachines": MYMACHINES,
      "libnss-resolve": RESOLVE,
      "libnss-systemd": SYSTEMD,
    };
    const { tree } = await finish(
      { "/usr/share/libc-bin/nsswitch.conf": template, "/usr/lib/x86_64-linux-gnu/libc.so.6": "" },
      [nameServiceSwitchFinisher],
      {
        postinst,
      },
    );
    expect(text(tree, "/etc/nsswitch.conf")).toBe(
      "# c\npasswd:         files systemd\nhosts:          files myhostname mymachines resolve [!UNAVAIL=return] dns # local\n",
    );
  });

  it("looks into /etc/hosts first without libc-bin too, and writes nothing without glibc", async () => {
    const postinst = { "libnss-systemd": SYSTEMD };
    const { tree } = await finish({ "/usr/lib/aarch64-linux-gnu/libc.so.6": "" }, [nameServiceSwitchFinisher], {
      postinst,
    });
    expect(text(tree, "/etc/nsswitch.conf")).toMatch(/^passwd: +files systemd\n[^]*\nhosts: +files dns\n/);
    expect((await finish({}, [nameServiceSwitchFinisher], { postinst })).tree.has("/etc/nsswitch.conf")).toBe(false);
  });

  it("stands behind the action of the service it follows", () => {
    const service = { database: "hosts", service: "x", position: { kind: "after", services: ["files"] } } as const;
    expect(
      insertNameService("hosts: files [a=b] dns", {
        ...service,
        position: { ...service.position, services: ["files"] },
      }),
    ).toBe("hosts: files [a=b] x dns");
  });

  it("does not take other edits for its own", () => {
    expect(parseNameServiceEdit(["sed", "-i", "/etc/nsswitch.conf", "-e", "s/a/b/"])).toBeUndefined();
    expect(
      parseNameServiceEdit(["sed", "-i", "/etc/passwd", "-e", "/^passwd:\\s[^#]*$/ s/$/ systemd/"]),
    ).toBeUndefined();
  });
});
