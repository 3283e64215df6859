import { compareCodeUnits } from "@cvm-build/bytes";

/** The parts of a package URL, as they are before encoding. */
export interface PackageUrl {
  /** Lower case: `deb`, `npm`, `generic`. */
  type: string;
  /** Segments separated by slashes. */
  namespace?: string;
  name: string;
  version?: string;
  qualifiers?: Readonly<Record<string, string>>;
}

/**
 * Formats a package URL in its canonical form.
 * @see Package-URL specification 1.0 (ECMA-427), "How to build a purl string from its components"
 */
export function formatPackageUrl({ type, namespace, name, version, qualifiers = {} }: PackageUrl): string {
  const path = [...(namespace?.split("/") ?? []), name].map(encode).join("/");
  const query = Object.entries(qualifiers)
    .sort(([a], [b]) => compareCodeUnits(a, b))
    .map(([key, value]) => `${key}=${encode(value)}`)
    .join("&");
  return `pkg:${type}/${path}${version ? `@${encode(version)}` : ""}${query ? `?${query}` : ""}`;
}

/** All but letters, digits, `.-_~` and the colon. */
function encode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll("%3A", ":")
    .replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
