import { describe, expect, it } from "vitest";
import { companionNames, companionsBeside } from "./companions.ts";
import { makeProject } from "./project.fixture.ts";

describe("files beside a UKI", () => {
  it("stand where systemd-stub looks for them", () => {
    const names = companionNames(
      [
        { path: "/a/debug.addon.efi", scope: "uki" },
        { path: "/a/debug.addon.efi", scope: "global" },
        { path: "/a/ssh.cred", scope: "global" },
        { path: "/a/tools.sysext.raw", scope: "uki" },
        { path: "/a/tools.confext.raw", scope: "global" },
      ],
      "node.efi",
    );
    expect([...names.keys()]).toEqual([
      "node.efi.extra.d/debug.addon.efi",
      "loader/addons/debug.addon.efi",
      "loader/credentials/ssh.cred",
      "node.efi.extra.d/tools.sysext.raw",
      "loader/extensions/tools.confext.raw",
    ]);
  });

  it("cannot take each other's place", () => {
    const twice = ["/a/x.cred", "/b/x.cred"].map((path) => ({ path, scope: "uki" }) as const);
    expect(() => companionNames(twice, "node.efi")).toThrow(
      'cannot put two files at "node.efi.extra.d/x.cred": expected different names in UKI.Companions=',
    );
  });

  it("are found again, in the order of their names, and nothing else is", () => {
    using project = makeProject({
      "node.efi": "",
      "node.efi.extra.d/b.cred": "b",
      "node.efi.extra.d/a.addon.efi": "a",
      "other.efi.extra.d/c.cred": "c",
      "loader/credentials/d.cred": "d",
      "loader/entries/e.conf": "e",
    });
    expect(companionsBeside(`${project.path}/node.efi`)).toEqual([
      {
        name: "node.efi.extra.d/a.addon.efi",
        espPath: "EFI/BOOT/BOOTX64.EFI.extra.d/a.addon.efi",
        hostPath: `${project.path}/node.efi.extra.d/a.addon.efi`,
      },
      {
        name: "node.efi.extra.d/b.cred",
        espPath: "EFI/BOOT/BOOTX64.EFI.extra.d/b.cred",
        hostPath: `${project.path}/node.efi.extra.d/b.cred`,
      },
      {
        name: "loader/credentials/d.cred",
        espPath: "loader/credentials/d.cred",
        hostPath: `${project.path}/loader/credentials/d.cred`,
      },
    ]);
  });
});
