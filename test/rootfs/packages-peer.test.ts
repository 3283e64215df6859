import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readContent } from "@cvm-build/fs-writer";
import { assembleRootfs, type Rootfs } from "@cvm-build/rootfs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CacheFixture } from "../../packages/rootfs/src/cache.fixture.ts";
import { profileFixture } from "../../packages/rootfs/src/profile.fixture.ts";
import { requirePeers } from "../support/peers.ts";
import { describeFolder, describeTree, installedPackages, installWithDpkg } from "./dpkg-peer.ts";

/** What a node image has, and what is rich in maintainer scripts: services, users, alternatives, PAM, name services. */
const PACKAGES = [
  "chrony",
  "iptables",
  "less",
  "libnss-resolve",
  "libnss-systemd",
  "libpam-systemd",
  "login",
  "netbase",
  "nftables",
  "systemd",
  "systemd-resolved",
  "systemd-sysv",
  "tpm2-tools",
  "udev",
];

/** Every path that may differ from what apt and dpkg leave behind, and why it does. */
const EXPLAINED: readonly { path: RegExp; why: string }[] = [
  { path: /^\/(dev|boot|tmp|run|proc|sys)(\/|$)/, why: "other file systems, or the kernel's own place" },
  {
    path: /^\/var\/(cache|log|lib\/(dpkg|apt|ucf|pam|shells\.state|systemd\/(catalog|deb-systemd)))/,
    why: "records of dpkg and its helpers",
  },
  { path: /^\/etc\/(apt|dpkg|rc[\dS]\.d)(\/|$)/, why: "configuration of dpkg, links for sysvinit" },
  {
    path: /^\/etc\/((passwd|group|shadow|gshadow)-?|\.pwd\.lock|sub[ug]id-)$/,
    why: "ids differ, names are compared on their own; backups and locks",
  },
  {
    path: /^\/etc\/(hostname|resolv\.conf|\.resolv\.conf.*|fstab|hosts|machine-id|networks)$/,
    why: "mmdebstrap's own, or the image's identity",
  },
  {
    path: /^\/etc\/(modules|ld\.so\.cache|\.updated)$|^\/var\/\.updated$/,
    why: "an empty list; an index that is tested on its own; marks",
  },
  { path: /^\/etc\/systemd\/system\/default\.target$|^\/init$/, why: "the profile says what an image boots to" },
  { path: /^\/usr\/lib\/(os-release|udev\/hwdb\.bin)$/, why: "IMAGE_ID; names of physical hardware" },
  { path: /^\/var\/lib\/dbus\/machine-id$/, why: "systemd-tmpfiles makes it at boot" },
  { path: /^\/etc\/localtime$/, why: "without Timezone= an image has none, which means UTC" },
  { path: /^\/usr\/share\/info\/dir$/, why: "an index of documentation" },
  { path: /^\/usr\/lib\/systemd\/journald\.conf\.d\/50-cvm\.conf$/, why: "the services' limits on the journal" },
  { path: /^\/etc\/apparmor\.d\/local(\/|$)/, why: "local additions, empty" },
  { path: /^\/etc\/pam\.d\/common-/, why: "pam-auth-update leaves spaces at the ends of lines: compared without" },
  { path: /^\/usr\/local\/share\/ca-certificates$/, why: "a place for local additions" },
  { path: /^\/(initrd\.img|vmlinuz)(\.old)?$/, why: "the image boots from its UKI" },
];

const isRoot = process.getuid?.() === 0;
const hasPeers = requirePeers("mmdebstrap", "dpkg");

describe.skipIf(!hasPeers || !isRoot)("the tree and what apt and dpkg make of the same packages", () => {
  const folder = mkdtempSync(join(tmpdir(), "cvm-build-dpkg-peer-"));
  const peer = join(folder, "root");
  const cache = new CacheFixture();
  let ours: Rootfs;
  const peerText = (path: string): string => readFileSync(join(peer, path), "utf8");
  const ourText = (path: string): string => {
    const node = ours.tree.follow(path);
    return node?.kind === "file" ? readContent(node.content).toString("utf8") : "";
  };

  beforeAll(async () => {
    installWithDpkg(peer, PACKAGES);
    const input = { profile: profileFixture({ withDocs: true }), packages: installedPackages(peer), artifacts: [] };
    ours = await assembleRootfs(input, { cache, workers: 2 });
  });
  afterAll(() => {
    cache[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(["/etc/passwd", "/etc/group"])("have the same names, homes, shells and members in %s", (file) => {
    // Password field and ids apart: Debian allocates in the order of installation.
    const lines = (text: string) =>
      text
        .split("\n")
        .filter(Boolean)
        .map((line) =>
          line
            .split(":")
            .filter((_, at) => at !== 1 && !/^\d+$/.test(line.split(":")[at]!))
            .join(":"),
        )
        .sort();
    expect(lines(ourText(file))).toEqual(lines(peerText(file)));
  });

  it.each(["auth", "account", "password", "session", "session-noninteractive"])(
    "have the same PAM stack %s",
    (stack) => {
      const lines = (text: string) => text.split("\n").map((line) => line.trimEnd());
      expect(lines(ourText(`/etc/pam.d/common-${stack}`))).toEqual(lines(peerText(`/etc/pam.d/common-${stack}`)));
    },
  );

  it("have the same paths, permissions, owners, links and bytes, but for what is explained", () => {
    const [theirs, mine] = [describeFolder(peer), describeTree(ours.tree, ourText)];
    const differences = [...new Set([...theirs.keys(), ...mine.keys()])]
      .filter((path) => theirs.get(path) !== mine.get(path) && !EXPLAINED.some((row) => row.path.test(path)))
      .map((path) => `${path}: ours ${mine.get(path)}, theirs ${theirs.get(path)}`);
    expect(differences).toEqual([]);
  });

  it("leave no line of a maintainer script unexplained", () => {
    const open = ours.scripts.flatMap((script) =>
      script.lines
        .filter((line) => line.class === "not-handled")
        .map((line) => `${script.package} ${script.script}:${line.line} ${line.text}`),
    );
    expect(open).toEqual([]);
  });
});
