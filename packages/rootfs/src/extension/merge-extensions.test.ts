import { dumpTree, type FileTree, readContent } from "@cvm-build/fs-writer";
import type { ContentSettings, OutputFormat } from "@cvm-build/profile";
import { describe, expect, it } from "vitest";
import { contextFixture } from "../finishers/context.fixture.ts";
import { profileFixture } from "../profile.fixture.ts";
import { treeFixture } from "../tree.fixture.ts";
import { formatKeptExtensions, mergeExtensionsCheckFinisher, mergeExtensionsFinisher } from "./merge-extensions.ts";

const UNITS = "/usr/lib/systemd/system";
const MODULES = "/usr/lib/modules/6.12";
const INSTALL = "[Install]\nWantedBy=sysinit.target\n";

const context = (mergeExtensions: ContentSettings["mergeExtensions"], format: OutputFormat = "uki") =>
  contextFixture({ content: { mergeExtensions }, profile: { output: { ...profileFixture().output, format } } });

const textAt = (tree: FileTree, path: string): string => {
  const node = tree.get(path);
  return node?.kind === "file" ? readContent(node.content).toString() : "";
};

describe("merging extensions beside a UKI", () => {
  const written = (mergeExtensions: ContentSettings["mergeExtensions"], format?: OutputFormat) => {
    const tree = treeFixture({
      [`${UNITS}/systemd-sysext.service`]: INSTALL,
      [`${UNITS}/systemd-confext.service`]: INSTALL,
    });
    void mergeExtensionsFinisher.finish(tree, context(mergeExtensions, format));
    return tree;
  };
  const links = (tree: FileTree) =>
    Object.fromEntries(Object.entries(dumpTree(tree)).filter(([, line]) => line.startsWith("symlink")));

  it("changes nothing unless it is asked for", () => {
    expect(dumpTree(written("no"))).toEqual(
      dumpTree(
        treeFixture({
          [`${UNITS}/systemd-sysext.service`]: INSTALL,
          [`${UNITS}/systemd-confext.service`]: INSTALL,
        }),
      ),
    );
  });

  it("starts what merges, and leads it to where systemd-stub puts them in a system that lives in its initrd", () => {
    const wants = Object.fromEntries(
      ["sysext", "confext"].map((kind) => [
        `/etc/systemd/system/sysinit.target.wants/systemd-${kind}.service`,
        `symlink ${UNITS}/systemd-${kind}.service`,
      ]),
    );
    expect(links(written("signed"))).toEqual({
      ...wants,
      "/etc/extensions": "symlink /.extra/sysext",
      "/usr/lib/confexts": "symlink /.extra/confext",
    });
    expect(links(written("signed", "disk"))).toEqual(wants);
    expect(formatKeptExtensions()).toContain("\nC /run/extensions - - - - /.extra/sysext\n");
  });

  it.each([
    ["signed", "root=signed+absent:usr=signed+absent"],
    ["measured", "root=signed+verity+unprotected+absent:usr=signed+verity+unprotected+absent"],
  ] as const)("takes those that are %s", (mergeExtensions, policy) => {
    const tree = written(mergeExtensions);
    for (const kind of ["sysext", "confext"]) {
      expect(textAt(tree, `${UNITS}/systemd-${kind}.service.d/50-cvm.conf`)).toContain(
        `\nExecStart=\nExecStart=systemd-${kind} refresh --image-policy=${policy}\n`,
      );
    }
  });
});

describe("what merging extensions needs", () => {
  const complete: Record<string, string> = {
    "/usr/bin/systemd-sysext": "x",
    "/usr/bin/systemd-confext": "x",
    "/usr/lib/udev/rules.d/95-dm-notify.rules": "x",
    "/usr/lib/x86_64-linux-gnu/libcryptsetup.so.12": "x",
    "/etc/verity.d/mine.crt": "x",
    [`${MODULES}/modules.builtin`]: "kernel/fs/overlayfs/overlay.ko\n",
    ...Object.fromEntries(["dm-verity", "erofs", "loop"].map((name) => [`${MODULES}/kernel/${name}.ko.xz`, "x"])),
  };
  const check = (mergeExtensions: ContentSettings["mergeExtensions"], without: string) => {
    const left = Object.entries(complete).filter(([path]) => path !== without);
    return mergeExtensionsCheckFinisher.finish(treeFixture(Object.fromEntries(left)), context(mergeExtensions));
  };

  it("may be there, or not needed", () => {
    expect(check("signed", "")).toEqual({ summary: "what merging extensions needs is there", paths: [] });
    expect(() => check("measured", "/etc/verity.d/mine.crt")).not.toThrow();
    expect(() => check("no", "/usr/bin/systemd-sysext")).not.toThrow();
  });

  it.each([
    ["/usr/bin/systemd-sysext", '"/usr/bin/systemd-sysext" in the image', "add `systemd` to Packages="],
    ["/usr/lib/udev/rules.d/95-dm-notify.rules", "95-dm-notify.rules", "add `dmsetup` to Packages="],
    ["/usr/lib/x86_64-linux-gnu/libcryptsetup.so.12", '"libcryptsetup.so.12" in the image', "libcryptsetup12"],
    [`${MODULES}/kernel/erofs.ko.xz`, 'kernel module "erofs" in the image', "add erofs to KernelModules="],
    ["/etc/verity.d/mine.crt", "a certificate in /etc/verity.d", "ExtraTrees="],
  ])("misses %s", (path, expected, hint) => {
    expect(() => check("signed", path)).toThrow(
      expect.objectContaining({
        code: "setting",
        message: expect.stringContaining(expected) as string,
        hint: expect.stringContaining(hint) as string,
      }),
    );
  });
});
