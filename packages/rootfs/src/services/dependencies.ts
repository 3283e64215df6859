import type { FileTree } from "@cvm-build/fs-writer";
import type { ServiceDeclaration } from "@cvm-build/profile";
import { declarationError } from "./declaration-error.ts";
import type { UnitDependencies } from "./service-unit.ts";

/** @see systemd.unit(5), "Description": characters of a unit name, and its types */
const UNIT_NAME =
  /^[A-Za-z0-9:_.\\-]+(?:@[A-Za-z0-9:_.\\-]*)?\.(?:service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/;

/** Types whose files are in the image; generators may make units of the other types at boot. */
const TYPE_WITH_FILE = /\.(?:service|socket|target|timer|path)$/;

const UNIT_DIRECTORIES = ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"];

/**
 * The units that a service waits for and needs.
 * @param services all of the profile, whose units are written with it
 * @throws CvmError `service` where a name is neither a service nor a unit, a needed unit is not in the tree, `requires`
 * is not within `after`, or services wait for each other
 */
export function resolveDependencies(
  service: ServiceDeclaration,
  services: readonly ServiceDeclaration[],
  { tree }: { tree: FileTree },
): UnitDependencies {
  checkCycle(service, services);
  const names = new Set(services.map(({ name }) => name));
  const unitOf = (field: string, name: string): string => {
    if (names.has(name)) return `${name}.service`;
    if (UNIT_NAME.test(name)) return name;
    const expected = `a service of the profile (${[...names].join(", ")}) or a unit such as network.target`;
    throw declarationError(service, { field, expected, got: JSON.stringify(name) });
  };
  for (const name of service.requires) {
    if (service.after.includes(name)) continue;
    throw declarationError(service, { field: "requires", expected: "within after", got: JSON.stringify(name) });
  }
  const requires = service.requires.map((name) => unitOf("requires", name));
  for (const unit of requires) {
    if (names.has(unit.replace(/\.service$/, "")) || !TYPE_WITH_FILE.test(unit) || hasUnit(tree, unit)) continue;
    const hint = "add the package that has it, or take it out of requires";
    throw declarationError(service, { field: "requires", expected: "a unit in the image", got: unit, hint });
  }
  return { after: service.after.map((name) => unitOf("after", name)), requires };
}

function hasUnit(tree: FileTree, unit: string): boolean {
  const template = unit.replace(/@[^.]*\./, "@.");
  return UNIT_DIRECTORIES.some((directory) => [unit, template].some((name) => tree.resolve(`${directory}/${name}`)));
}

/** Follows `after` between services; systemd would break the cycle by dropping one of them. */
function checkCycle(service: ServiceDeclaration, services: readonly ServiceDeclaration[]): void {
  const byName = new Map(services.map((other) => [other.name, other]));
  const seen = new Set<string>();
  const todo = service.after.map((name) => [service.name, name]);
  for (let path = todo.pop(); path; path = todo.pop()) {
    const name = path.at(-1)?.replace(/\.service$/, "") ?? "";
    if (name === service.name) {
      throw declarationError(service, { field: "after", expected: "free of cycles", got: path.join(" after ") });
    }
    if (seen.has(name)) continue;
    seen.add(name);
    for (const next of byName.get(name)?.after ?? []) todo.push([...path, next]);
  }
}
