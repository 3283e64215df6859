import { profileError, quoteText } from "./error.ts";
import type { ReadService } from "./read-service.ts";
import { didYouMean } from "./suggest.ts";

const UNIT = /\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/;

/**
 * Checks that services wait for what is there, and not for each other in a circle.
 * @throws CvmError `profile-bad-reference` naming the unknown service, or the circle
 */
export function checkServiceGraph(services: readonly ReadService[]): void {
  const byName = new Map(services.map((read) => [read.service.name, read]));
  for (const { service, references } of services) {
    for (const { name, position } of references) {
      if (byName.has(name) || UNIT.test(name)) continue;
      throw profileError("profile-bad-reference", {
        cannot: `order service ${quoteText(service.name)}`,
        at: position,
        expected: "a declared service, or a systemd unit with its suffix",
        got: quoteText(name),
        hint: didYouMean(name, byName.keys()) ?? `write ${name}.service for a unit of the distribution`,
        setting: "after",
      });
    }
  }
  const done = new Set<string>();
  for (const name of byName.keys()) checkCircle(name, { byName, done, path: [] });
}

/** Walks what a service waits for; the depth is at most the number of services. */
function checkCircle(
  name: string,
  { byName, done, path }: { byName: ReadonlyMap<string, ReadService>; done: Set<string>; path: readonly string[] },
): void {
  const read = byName.get(name);
  if (read === undefined || done.has(name)) return;
  if (path.includes(name)) {
    const circle = [...path.slice(path.indexOf(name)), name];
    const last = byName.get(circle.at(-2)!)!;
    throw profileError("profile-bad-reference", {
      cannot: `order service ${quoteText(last.service.name)}`,
      at: last.references.find((reference) => serviceOf(reference.name) === name)!.position,
      expected: "services that do not wait for each other in a circle",
      got: circle.join(" after "),
      setting: "after",
    });
  }
  for (const reference of read.references)
    checkCircle(serviceOf(reference.name), { byName, done, path: [...path, name] });
  done.add(name);
}

/** `reth.service` is the declared service `reth`. */
function serviceOf(reference: string): string {
  return reference.replace(/\.service$/, "");
}
