import { CvmError } from "@cvm-build/bytes";
import type { Profile } from "@cvm-build/profile";
import { formatAssignment, type OsRelease } from "./os-release.ts";

/** What is merged into a running system: programs, or configuration. */
export type ExtensionKind = "sysext" | "confext";

/** How each kind of extension is laid out, and what its fields are called. */
export const EXTENSION_KINDS = {
  sysext: { hierarchies: ["/usr", "/opt"], releases: "/usr/lib/extension-release.d", prefix: "SYSEXT" },
  confext: { hierarchies: ["/etc"], releases: "/etc/extension-release.d", prefix: "CONFEXT" },
} as const satisfies Record<ExtensionKind, { hierarchies: readonly string[]; releases: string; prefix: string }>;

/** `VERSION_ID=` of Debian's releases; those that are not released have none. */
const DEBIAN_VERSIONS: Readonly<Record<string, string>> = { bullseye: "11", bookworm: "12", trixie: "13" };
/** Of releases that roll on, any version of a system matches the id alone. */
const ROLLING = new Set(["forky", "sid", "testing", "unstable"]);
const DEFAULT_SCOPES = ["system", "portable"];
/** A system that runs as its own initrd is no initrd to systemd. */
const ANY = "_any";

/** A system into which an extension may be merged. */
export interface ExtensionHost {
  release: OsRelease;
  /** systemd's name, such as `x86-64`. */
  architecture: string;
  scope: "system" | "initrd" | "portable";
}

/**
 * What an extension says of itself and of the systems that it fits.
 * @param base the os-release of the image that it extends, where that is known
 * @throws CvmError `extension` where no version can be told, or it would not fit `base`
 * @see extension-release in os-release(5); systemd-sysext(8)
 */
export function formatExtensionRelease(kind: ExtensionKind, profile: Profile, base?: OsRelease): string {
  const { extension, output, distribution } = profile;
  const { prefix } = EXTENSION_KINDS[kind];
  const fields: [string, string | undefined][] = [
    ["ID", extension.id],
    ["VERSION_ID", extension.versionId ?? versionOf(profile, base)],
    [`${prefix}_LEVEL`, extension.level],
    [`${prefix}_SCOPE`, extension.scope.length === 0 ? undefined : extension.scope.join(" ")],
    ["ARCHITECTURE", distribution.architecture],
    [`${prefix}_IMAGE_ID`, output.imageId],
    [`${prefix}_IMAGE_VERSION`, output.imageVersion === "" ? undefined : output.imageVersion],
  ];
  const known = fields.filter((field): field is [string, string] => field[1] !== undefined);
  const { architecture } = distribution;
  const scope = extension.scope[0] ?? "system";
  const fault = base && extensionFault(new Map(known), { kind, host: { release: base, architecture, scope } });
  if (fault !== undefined) {
    throw new CvmError("extension", `cannot extend "${base?.get("IMAGE_ID") ?? base?.get("ID") ?? ""}": ${fault}`, {
      hint: "see Id=, VersionId= and Level= of [Extension]",
    });
  }
  return known.map(([name, value]) => formatAssignment(name, value)).join("");
}

/**
 * Why systemd would not merge an extension into a system; undefined where it would.
 * @see systemd 257, `extension_release_validate` of src/shared/extension-util.c
 */
export function extensionFault(
  extension: OsRelease,
  { kind, host }: { kind: ExtensionKind; host: ExtensionHost },
): string | undefined {
  const { prefix } = EXTENSION_KINDS[kind];
  const scopes = extension.get(`${prefix}_SCOPE`)?.split(/\s+/).filter(Boolean) ?? DEFAULT_SCOPES;
  if (!scopes.includes(host.scope)) return `expected ${prefix}_SCOPE=${host.scope}, got ${scopes.join(" ")}`;
  const architecture = extension.get("ARCHITECTURE") || ANY;
  if (architecture !== ANY && architecture !== host.architecture) {
    return `expected ARCHITECTURE=${host.architecture}, got ${architecture}`;
  }
  const id = extension.get("ID") || undefined;
  if (id === ANY) return undefined;
  const ids = [host.release.get("ID") ?? "linux", ...(host.release.get("ID_LIKE")?.split(/\s+/) ?? [])];
  if (id === undefined || !ids.includes(id)) return `expected ID=${ids[0]}, got ${id ?? "none"}`;
  return versionFault(extension, { release: host.release, level: `${prefix}_LEVEL` });
}

/** Levels are compared where both have one, else versions, where the system has one. */
function versionFault(
  extension: OsRelease,
  { release, level }: { release: OsRelease; level: string },
): string | undefined {
  const name = release.get(level) && extension.get(level) ? level : "VERSION_ID";
  const wanted = release.get(name);
  const found = extension.get(name) || undefined;
  return !wanted || wanted === found ? undefined : `expected ${name}=${wanted}, got ${found ?? "none"}`;
}

function versionOf({ extension, distribution }: Profile, base: OsRelease | undefined): string | undefined {
  if (extension.id === ANY || extension.level !== undefined) return undefined;
  const version = base?.get("VERSION_ID") ?? DEBIAN_VERSIONS[distribution.release];
  if (version !== undefined || base !== undefined || ROLLING.has(distribution.release)) return version;
  throw new CvmError(
    "extension",
    `cannot say which systems the extension fits: expected a known version of "${distribution.release}"`,
    { hint: "set VersionId= or Level= in [Extension]" },
  );
}
