/** Where a verified file system is, and what happens when a block of it is not what it was. */
export interface VerityRoot {
  /** Which of systemd's two: the whole root file system, or /usr below an empty one in memory. */
  tree: "root" | "usr";
  /** Hex digits of the hash tree's root. */
  rootHash: string;
  /** UUIDs of the partitions, lower case. */
  dataUuid: string;
  hashUuid: string;
  /** File system of the data, such as `erofs`. */
  fileSystem: string;
  /** `error`: whoever reads the block is told. The others end the machine's run. */
  onCorruption: "error" | "restart" | "panic";
}

const CORRUPTION_OPTIONS = { error: [], restart: ["restart-on-corruption"], panic: ["panic-on-corruption"] } as const;

/**
 * What a systemd initrd has to be told on the kernel command line to verify and mount a file system. Both partitions are
 * named by their UUIDs and nothing is left to be found by type, so that a second disk of the host's takes no part.
 * @see systemd-veritysetup-generator(8), systemd-fstab-generator(8), systemd-gpt-auto-generator(8)
 */
export function verityCommandLine(root: VerityRoot): string[] {
  const { tree, rootHash, dataUuid, hashUuid, fileSystem } = root;
  const options = CORRUPTION_OPTIONS[root.onCorruption].map((option) => `systemd.verity_${tree}_options=${option}`);
  const mount =
    tree === "root"
      ? ["root=/dev/mapper/root", `rootfstype=${fileSystem}`, "ro"]
      : ["root=tmpfs", "rw", "mount.usr=/dev/mapper/usr", `mount.usrfstype=${fileSystem}`, "mount.usrflags=ro"];
  return [
    ...mount,
    `${tree === "root" ? "roothash" : "usrhash"}=${rootHash}`,
    `systemd.verity_${tree}_data=PARTUUID=${dataUuid}`,
    `systemd.verity_${tree}_hash=PARTUUID=${hashUuid}`,
    ...options,
    "systemd.gpt_auto=no",
  ];
}
