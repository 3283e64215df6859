import { compileGlob, CvmError, isGlob } from "@cvm-build/bytes";
import type { ResolverErrorCode, ResolveRequest } from "../resolution.ts";
import { suggestNames } from "../suggest.ts";
import type { PackageRecord } from "./package-record.ts";
import type { PackageUniverse } from "./universe.ts";

/** A package that was asked for by name. */
export interface RequestedPackage {
  record: PackageRecord;
  /** Who asked: the profile, or `WithEssential=`. */
  by: "profile" | "essential";
}

/**
 * Turns what a request says into versions of packages, each package once, in the order of the request.
 * @throws CvmError `no-such-package`
 */
export function expandRequest(universe: PackageUniverse, request: ResolveRequest): RequestedPackage[] {
  const expanded = new Map<string, RequestedPackage>();
  const names = request.packages.map((text) => ({ text, by: "profile" as const }));
  const essential = request.withEssential ? essentialNames(universe, request.architecture) : [];
  for (const { text, by } of [...names, ...essential]) {
    for (const record of expandText(universe, { text, architecture: request.architecture })) {
      if (!expanded.has(record.name)) expanded.set(record.name, { record, by });
    }
  }
  return [...expanded.values()];
}

interface RequestText {
  /** As the user wrote it. */
  text: string;
  architecture: string;
}

function essentialNames(universe: PackageUniverse, architecture: string): { text: string; by: "essential" }[] {
  return universe
    .essentialNames()
    .filter((name) => candidatesOf(universe, { name, architecture })[0]?.essential)
    .map((text) => ({ text, by: "essential" }));
}

function expandText(universe: PackageUniverse, { text, architecture }: RequestText): PackageRecord[] {
  const [, name = "", wantedArchitecture, version] = /^([^:=]+)(?::([^=]+))?(?:=(.+))?$/.exec(text) ?? [];
  const candidates = candidatesOf(universe, { name, architecture, wantedArchitecture });
  if (version !== undefined && candidates.length > 0) return [pickVersion(candidates, { text, version })];
  if (candidates[0] !== undefined) return [candidates[0]];
  if (isGlob(name)) {
    const isWanted = compileGlob(name);
    const matching = universe.names().filter((each) => isWanted(each));
    const found = matching.flatMap((each) => {
      return candidatesOf(universe, { name: each, architecture, wantedArchitecture }).slice(0, 1);
    });
    if (found.length > 0) return found;
  }
  return [pickProvider(universe, { text, name, architecture })];
}

function candidatesOf(
  universe: PackageUniverse,
  {
    name,
    architecture,
    wantedArchitecture = architecture,
  }: { name: string; architecture: string; wantedArchitecture?: string | undefined },
): PackageRecord[] {
  return universe.versionsOf(name).filter((record) => {
    const isUsable = record.architecture === architecture || record.architecture === "all";
    const isWanted = ["native", architecture, record.architecture].includes(wantedArchitecture);
    return isUsable && isWanted;
  });
}

function pickVersion(
  candidates: readonly PackageRecord[],
  { text, version }: { text: string; version: string },
): PackageRecord {
  const isWanted = compileGlob(version);
  const found =
    candidates.find((record) => record.version === version) ??
    candidates.find((record) => isGlob(version) && isWanted(record.version));
  if (found !== undefined) return found;
  const versions = candidates.map((record) => `${record.version} (${record.repository})`);
  throw noSuchPackage(text, {
    problem: `expected version ${version}, got ${versions.join(", ")}`,
    hint: `ask for ${candidates[0]?.name}=${candidates[0]?.version}, or pin the archive with Snapshot= where it still has this version`,
    details: { versions: candidates.map((record) => record.version) },
  });
}

/** A virtual name stands for the package that provides it, if there is just one. */
function pickProvider(
  universe: PackageUniverse,
  { text, name, architecture }: RequestText & { name: string },
): PackageRecord {
  const providers = universe.providersOf(name).map(({ record }) => record);
  const current = providers.filter(
    (record) => candidatesOf(universe, { name: record.name, architecture })[0] === record,
  );
  const names = [...new Set(current.map((record) => record.name))].sort();
  if (names.length === 1 && current[0] !== undefined) return current[0];
  if (names.length > 1) {
    throw noSuchPackage(text, {
      problem: `expected a package, got a virtual name that ${names.join(", ")} provide`,
      hint: `ask for one of them: ${names.join(", ")}`,
      details: { providers: names },
    });
  }
  const others = [...new Set(universe.versionsOf(name).map((record) => record.architecture))];
  if (others.length > 0) {
    throw noSuchPackage(text, {
      problem: `expected a package for ${text.slice(name.length + 1) || architecture}, got one for ${others.join(", ")}`,
      hint: `ask for ${name} without an architecture, or set Architecture=`,
      details: { architectures: others },
    });
  }
  const suggestions = suggestNames(name, universe.names());
  throw noSuchPackage(text, {
    problem: `expected a package of the repositories for ${architecture}, got an unknown name`,
    hint:
      suggestions.length > 0 ? `did you mean ${suggestions.join(", ")}?` : "check the name, Release= and Repositories=",
    details: { suggestions },
  });
}

function noSuchPackage(
  text: string,
  { problem, hint, details }: { problem: string; hint: string; details: Record<string, unknown> },
): CvmError<ResolverErrorCode> {
  return new CvmError("no-such-package", `cannot resolve package "${text}": ${problem}`, {
    hint,
    details: { package: text, ...details },
  });
}
