import { verityCommandLine } from "@cvm-build/rootfs";
import type { FileSystemFacts } from "./file-system.ts";

/** What the kernel is told beside the profile's words, so that systemd verifies and mounts the file system. */
export function diskArguments({ tree, type, verity, dataUuid, hashUuid }: FileSystemFacts): string[] {
  return verityCommandLine({
    ...{ tree, dataUuid, hashUuid },
    rootHash: verity.rootHash,
    fileSystem: type,
    // A block that reads as an error could keep a program from starting, and the system would go on without it.
    onCorruption: "panic",
  });
}
