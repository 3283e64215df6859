import { describe, expect, it } from "vitest";
import { treeFixture } from "../tree.fixture.ts";
import { moduleLoadOrder } from "./module-order.ts";

describe("the order of loading modules", () => {
  it("has what a module needs before it, and digests first", () => {
    const tree = treeFixture({
      "/usr/lib/modules/6.1/modules.dep": [
        "kernel/drivers/md/dm-verity.ko.xz: kernel/drivers/md/dm-bufio.ko.xz kernel/drivers/md/dm-mod.ko.xz",
        "kernel/drivers/md/dm-bufio.ko.xz: kernel/drivers/md/dm-mod.ko.xz",
        "kernel/drivers/md/dm-mod.ko.xz:",
        "kernel/lib/libcrc32c.ko:",
        "kernel/arch/x86/crypto/crc32c-intel.ko:",
        "",
      ].join("\n"),
    });
    expect(moduleLoadOrder(tree, "6.1").map((path) => path.replace("/usr/lib/modules/6.1/kernel/", ""))).toEqual([
      "arch/x86/crypto/crc32c-intel.ko",
      "drivers/md/dm-mod.ko.xz",
      "drivers/md/dm-bufio.ko.xz",
      "drivers/md/dm-verity.ko.xz",
      "lib/libcrc32c.ko",
    ]);
    expect(moduleLoadOrder(tree, "6.2")).toEqual([]);
  });
});
