import { describe, expect, it } from "vitest";
import { verityCommandLine } from "./verity-command-line.ts";

const ROOT = { rootHash: "ab12", dataUuid: "1-1", hashUuid: "2-2", fileSystem: "erofs" };

describe("the command line of a verified file system", () => {
  it.each([
    [
      { ...ROOT, tree: "root", onCorruption: "error" } as const,
      "root=/dev/mapper/root rootfstype=erofs ro roothash=ab12 systemd.verity_root_data=PARTUUID=1-1 systemd.verity_root_hash=PARTUUID=2-2 systemd.gpt_auto=no",
    ],
    [
      { ...ROOT, tree: "usr", onCorruption: "panic" } as const,
      "root=tmpfs rw mount.usr=/dev/mapper/usr mount.usrfstype=erofs mount.usrflags=ro usrhash=ab12 systemd.verity_usr_data=PARTUUID=1-1 systemd.verity_usr_hash=PARTUUID=2-2 systemd.verity_usr_options=panic-on-corruption systemd.gpt_auto=no",
    ],
  ])("names everything by its UUID: %o", (root, expected) => {
    expect(verityCommandLine(root).join(" ")).toBe(expected);
  });
});
