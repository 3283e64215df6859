import { compareCodeUnits, type Sha256Hex } from "@cvm-build/bytes";
import type { Lock, LockedArtifact, LockedPackage } from "@cvm-build/resolver";
import { formatPackageUrl } from "./sbom/package-url.ts";

/** A package or artefact of a lock, as the rest of the world names it. */
export interface LockedInput {
  name: string;
  version?: string;
  purl: string;
  sha256: Sha256Hex;
  /** Who distributes it. */
  supplier?: string;
  downloadLocation?: string;
  /** Name and version of the source package. */
  source?: string;
}

const SUPPLIERS: Readonly<Record<Lock["distribution"]["id"], string>> = { debian: "Debian" };

/** The packages and artefacts of a lock by name, each digest once. */
export function lockedInputs(lock: Lock): LockedInput[] {
  const all = [...lock.packages.map((entry) => packageInput(entry, lock)), ...lock.artifacts.map(artifactInput)];
  const unique = [...new Map(all.map((input) => [input.sha256, input])).values()];
  return unique.sort((a, b) => compareCodeUnits(a.name, b.name) || compareCodeUnits(a.sha256, b.sha256));
}

/** A package of the archive by its distribution's name, a bare one by its digest. */
function packageInput(entry: LockedPackage, { repositories, distribution }: Lock): LockedInput {
  const { name, version, architecture, sha256, source, repository } = entry;
  const common = { name, version, sha256, source: `${source.name} ${source.version}` };
  if (!repositories.some(({ suite }) => suite === repository)) {
    return { ...common, ...addressOf(repository), purl: genericUrl({ name, version, sha256, from: repository }) };
  }
  const qualifiers = { arch: architecture, distro: repository.replace(/[-/].*$/, "") };
  const purl = formatPackageUrl({ type: "deb", namespace: distribution.id, name, version, qualifiers });
  return { ...common, supplier: SUPPLIERS[distribution.id], purl };
}

function artifactInput({ name, kind, from, sha256 }: LockedArtifact): LockedInput {
  if (kind !== "npm") return { name, sha256, ...addressOf(from), purl: genericUrl({ name, sha256, from }) };
  const at = from.lastIndexOf("@");
  const [path, version] = [from.slice(0, at), from.slice(at + 1)];
  const [own = "", namespace] = path.split("/").reverse();
  const scope = namespace === undefined ? {} : { namespace };
  return { name, version, sha256, purl: formatPackageUrl({ type: "npm", ...scope, name: own, version }) };
}

/** A path is left out: it would say where somebody's files are, and nobody else finds them there. */
function addressOf(from: string): { downloadLocation?: string } {
  return /^https?:/.test(from) ? { downloadLocation: from } : {};
}

function genericUrl({
  from,
  sha256,
  ...named
}: {
  name: string;
  version?: string;
  sha256: string;
  from: string;
}): string {
  const { downloadLocation } = addressOf(from);
  const qualifiers = { checksum: `sha256:${sha256}`, ...(downloadLocation && { download_url: downloadLocation }) };
  return formatPackageUrl({ type: "generic", ...named, qualifiers });
}
