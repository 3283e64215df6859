import { basename, relative } from "node:path";
import { CvmError, FormatError } from "@cvm-build/bytes";
import type { Profile } from "@cvm-build/profile";
import { openBarePackage, type PackageIndex } from "@cvm-build/resolver";
import { fileDigest } from "./output.ts";
import { localName, packageFiles } from "./request-digest.ts";
import type { Surroundings } from "./surroundings.ts";

/** The packages that a profile asks for, with those given as files made known by name and version. */
export interface LocalPackages {
  /** As `ResolveRequest` wants them. */
  packages: string[];
  /** One index a file. */
  indexes: PackageIndex[];
}

/**
 * Opens the packages that are given as files (`./reth.deb`) or lie in `PackageDirectories=`, so that they resolve as any
 * other does.
 * @throws CvmError `package` for what is no .deb
 */
export async function openLocalPackages(
  { packages, packageDirectories }: Profile["content"],
  { directory }: Surroundings,
): Promise<LocalPackages> {
  const indexes: PackageIndex[] = [];
  for (const path of packageFiles(packageDirectories)) {
    indexes.push(await openLocalPackage(path, relative(directory, path)));
  }
  const requests: string[] = [];
  for (const request of packages) {
    const repository = localName(request, directory);
    if (repository === undefined) requests.push(request);
    else {
      const index = await openLocalPackage(request, repository);
      indexes.push(index);
      requests.push(...exactRequests(index));
    }
  }
  return { packages: requests, indexes };
}

async function openLocalPackage(path: string, repository: string): Promise<PackageIndex> {
  try {
    const { sizeBytes, sha256 } = fileDigest(path);
    const { readDebControl } = await import("@cvm-build/rootfs");
    return openBarePackage(await readDebControl(path), { repository, path: basename(path), sizeBytes, sha256 });
  } catch (cause) {
    const isUnreadable = cause instanceof Error && "syscall" in cause;
    if (!isUnreadable && !(cause instanceof FormatError)) throw cause;
    throw new CvmError("package", `cannot read package "${repository}": expected a .deb`, { cause });
  }
}

/** `name=version` of everything in an index. */
function exactRequests(index: PackageIndex): string[] {
  return [...index.names()].flatMap((name) =>
    index.stanzasOf(name).map((stanza) => `${name}=${index.record(stanza).version}`),
  );
}
