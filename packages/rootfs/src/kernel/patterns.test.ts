import { describe, expect, it } from "vitest";
import { isSelected, parseModulePatterns } from "./patterns.ts";

const EXT4 = "kernel/fs/ext4/ext4";

describe("KernelModules=", () => {
  it.each([
    [["ext4"], EXT4, true],
    [["ext"], EXT4, false],
    [["ext*"], EXT4, true],
    [["ext[34]"], EXT4, true],
    [["ext[!4]"], EXT4, false],
    [["ext4/ext4"], EXT4, true],
    [["xt4/ext4"], EXT4, false],
    [["/fs/ext4/ext4"], EXT4, true],
    [["/kernel/fs/ext4/ext4"], EXT4, true],
    [["/ext4/ext4"], EXT4, false],
    [["fs/"], EXT4, true],
    [["/fs/"], EXT4, true],
    [["/drivers/"], EXT4, false],
    [["fs/", "-ext4"], EXT4, false],
    [["-ext4", "fs/"], EXT4, true],
    [["-ext4"], EXT4, false],
    [[], EXT4, false],
    [["dm-mod"], "kernel/drivers/md/dm-mod", true],
    [["dm_mod"], "kernel/drivers/md/dm-mod", true],
    [["sev-guest"], "kernel/drivers/virt/coco/sev-guest/sev-guest", true],
    [["raid[0-9]*"], "kernel/drivers/md/raid456", true],
    [["a.b"], "kernel/axb", false],
    [["default"], "kernel/drivers/block/virtio_blk", true],
    [["default"], "kernel/sound/core/snd", false],
    [["*"], "updates/dkms/zfs", true],
  ])("%j on %s: %s", (words, path, selected) => {
    expect(isSelected(path, parseModulePatterns(words))).toBe(selected);
  });

  it.each([
    ["host", 'cannot read KernelModules= "host": expected a module or a glob, got host'],
    ["-", "got an empty pattern"],
    ["re:ext.*", "got a regular expression"],
    ["[z-a]", 'cannot read KernelModules= "[z-a]": expected a glob'],
  ])("refuses %s", (word, message) => {
    expect(() => parseModulePatterns([word])).toThrow(message);
  });
});
