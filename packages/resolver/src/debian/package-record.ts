import { FormatError, isSha256Hex, type Sha256Hex } from "@cvm-build/bytes";
import type { Stanza } from "./control.ts";
import { parseRelations, type Relation } from "./relation.ts";

/** The relation fields that decide what is installed, in the order in which apt looks at them. */
export const DEPENDENCY_FIELDS = ["pre-depends", "depends", "conflicts", "breaks", "recommends", "suggests"] as const;
export type DependencyField = (typeof DEPENDENCY_FIELDS)[number];

/** One group of alternatives. A negative field (`Conflicts`, `Breaks`) has one relation a group. */
export interface Dependency {
  field: DependencyField;
  alternatives: readonly Relation[];
}

/** One version of one package as an index describes it. */
export interface PackageRecord {
  name: string;
  version: string;
  architecture: string;
  /** Suite of the index, or the path or address of a bare package. */
  repository: string;
  /** `Filename`: path below the archive's root. */
  path: string;
  sizeBytes: number;
  sha256: Sha256Hex;
  source: { name: string; version: string };
  /** 1 (required) to 5 (extra); 0 where the field is missing, which apt ranks first. */
  priority: number;
  essential: boolean;
  /** `Important: yes` or `Protected: yes`. */
  important: boolean;
  multiArch: "no" | "same" | "foreign" | "allowed";
  dependencies: readonly Dependency[];
  provides: readonly Relation[];
}

const PRIORITIES = ["required", "important", "standard", "optional", "extra"];
const MAX_SIZE_BYTES = 2 ** 40;

/**
 * Reads the fields of a `Packages` stanza that the resolver needs.
 * @throws FormatError where a field is missing or is not what it claims to be
 * @see Debian Policy 5.3; https://wiki.debian.org/DebianRepository/Format "Packages Indices"
 */
export function readPackageRecord(
  stanza: Stanza,
  { repository, offsetBytes }: { repository: string; offsetBytes: number },
): PackageRecord {
  const required = (field: string): string => {
    const value = stanza.get(field);
    if (value) return value;
    throw new FormatError({ record: "Packages", field, offsetBytes }, "expected the field, got none");
  };
  const sizeBytes = Number(required("size"));
  if (!/^\d+$/.test(required("size")) || sizeBytes > MAX_SIZE_BYTES) {
    throw new FormatError({ record: "Packages", field: "size", offsetBytes }, "expected a number of bytes");
  }
  const sha256 = required("sha256");
  if (!isSha256Hex(sha256)) {
    throw new FormatError({ record: "Packages", field: "sha256", offsetBytes }, "expected 64 hexadecimal digits");
  }
  const name = required("package").toLowerCase();
  const version = required("version");
  return {
    name,
    version,
    architecture: required("architecture"),
    repository,
    path: checkedPath(required("filename"), offsetBytes),
    sizeBytes,
    sha256,
    source: readSource(stanza.get("source"), { name, version }),
    priority: readPriority(stanza.get("priority")),
    essential: isYes(stanza.get("essential")),
    important: isYes(stanza.get("important")) || isYes(stanza.get("protected")),
    multiArch: readMultiArch(stanza.get("multi-arch")),
    dependencies: readDependencies(stanza),
    provides: readProvides(stanza),
  };
}

function readDependencies(stanza: Stanza): Dependency[] {
  return DEPENDENCY_FIELDS.flatMap((field) => {
    const groups = parseRelations(stanza.get(field) ?? "", { field });
    const isNegativeField = field === "conflicts" || field === "breaks";
    return (isNegativeField ? groups.flat().map((relation) => [relation]) : groups).map((alternatives) => ({
      field,
      alternatives,
    }));
  });
}

/** A `Provides` may name an exact version; apt ignores one with another operator. */
function readProvides(stanza: Stanza): Relation[] {
  return parseRelations(stanza.get("provides") ?? "", { field: "provides" })
    .flat()
    .filter(({ operator }) => operator === undefined || operator === "=");
}

/** `Source: name (version)`, where it differs from the package's own. */
function readSource(
  text: string | undefined,
  own: { name: string; version: string },
): { name: string; version: string } {
  const [, name = own.name, version = own.version] = /^([^\s()]+)(?: *\(([^\s()]+)\))?$/.exec(text ?? "") ?? [];
  return { name, version };
}

function readPriority(text: string | undefined): number {
  if (text === undefined) return 0;
  return PRIORITIES.indexOf(text.toLowerCase()) + 1 || PRIORITIES.length;
}

function readMultiArch(text: string | undefined): PackageRecord["multiArch"] {
  return text === "same" || text === "foreign" || text === "allowed" ? text : "no";
}

function isYes(text: string | undefined): boolean {
  return text?.toLowerCase() === "yes";
}

/** A path that leaves the archive would let an index name any file of a mirror, or of the host. */
function checkedPath(path: string, offsetBytes: number): string {
  const parts = path.split("/");
  if (!path.startsWith("/") && !parts.includes("..") && !/[^ -~]|\\/.test(path)) return path;
  throw new FormatError({ record: "Packages", field: "filename", offsetBytes }, "expected a path below the archive");
}
