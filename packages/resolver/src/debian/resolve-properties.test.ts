import { CvmError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { ResolvedPackage } from "../resolution.ts";
import type { PackageRecord } from "./package-record.ts";
import { makeIndex } from "./packages.fixture.ts";
import type { Relation } from "./relation.ts";
import { resolvePackages } from "./resolve.ts";
import { PackageUniverse } from "./universe.ts";
import { satisfiesVersion } from "./version.ts";

const NAMES = Array.from({ length: 12 }, (_, at) => `p${String.fromCodePoint(97 + at)}`);
const VIRTUAL = ["va", "vb"];

const version = fc.constantFrom("1", "2", "3~rc1");
const relation = fc
  .tuple(fc.constantFrom(...NAMES, ...VIRTUAL), fc.constantFrom("", "", "<<", ">=", "="), version)
  .map(([name, operator, bound]) => (operator === "" ? name : `${name} (${operator} ${bound})`));
const group = fc.array(relation, { minLength: 1, maxLength: 3 }).map((alternatives) => alternatives.join(" | "));
const field = (name: string, element: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.array(element, { maxLength: 2 }).map((list) => (list.length === 0 ? "" : `${name}: ${list.join(", ")}`));
const stanza = fc
  .tuple(
    fc.constantFrom(...NAMES),
    version,
    field("Depends", group),
    field("Conflicts", relation),
    field("Breaks", relation),
    field("Provides", fc.constantFrom("va", "vb (= 2)")),
  )
  .map(([name, own, ...fields]) => [`${name} ${own}`, ...fields.filter((line) => line !== "")].join("\n"));
const suite = fc.array(stanza, { minLength: 4, maxLength: 20 }).map((stanzas) => stanzas.join("\n\n"));

test("a resolution satisfies every dependency, violates no conflict, and does not depend on the order of the indexes", () => {
  let resolved = 0;
  fc.assert(
    fc.property(suite, suite, fc.subarray(NAMES, { minLength: 1, maxLength: 3 }), (first, second, packages) => {
      const indexes = [makeIndex(first), makeIndex(second, { repository: "trixie-updates" })];
      const universe = new PackageUniverse(indexes);
      const forward = attempt(universe, packages);
      expect(attempt(new PackageUniverse(indexes.toReversed()), packages)).toEqual(forward);
      if (typeof forward === "string") return;
      resolved++;
      checkConsistent(recordsOf(universe, forward));
      expect(forward.map(({ name }) => name)).toEqual(expect.arrayContaining(packages));
    }),
    { seed: 5, numRuns: 1000 },
  );
  expect(resolved).toBeGreaterThan(200);
});

function attempt(universe: PackageUniverse, packages: string[]): ResolvedPackage[] | string {
  try {
    return resolvePackages(universe, { architecture: "amd64", packages, withEssential: false, withRecommends: false })
      .packages;
  } catch (error) {
    if (error instanceof CvmError && error.code !== "format") return error.message;
    throw error;
  }
}

function recordsOf(universe: PackageUniverse, packages: readonly ResolvedPackage[]): PackageRecord[] {
  return packages.map(({ name, sha256 }) => {
    const found = universe.versionsOf(name).find((record) => record.sha256 === sha256);
    if (found === undefined) throw new Error(`${name} is not in the universe`);
    return found;
  });
}

/** Written from Policy 7, without the resolver's own notion of what matches. */
function checkConsistent(records: readonly PackageRecord[]): void {
  for (const record of records) {
    for (const { field: kind, alternatives } of record.dependencies) {
      const others = kind === "conflicts" || kind === "breaks" ? records.filter((other) => other !== record) : records;
      const isHit = alternatives.some((each) => others.some((other) => answers(other, each)));
      if (kind === "depends") expect(isHit, `${record.name} lacks a dependency`).toBe(true);
      if (others !== records) expect(isHit, `${record.name} conflicts`).toBe(false);
    }
  }
}

function answers(record: PackageRecord, wanted: Relation): boolean {
  return (
    (record.name === wanted.name && satisfiesVersion(record.version, wanted)) ||
    record.provides.some(({ name, version: provided }) => name === wanted.name && satisfiesVersion(provided, wanted))
  );
}
