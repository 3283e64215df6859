import { compareCodeUnits } from "@cvm-build/bytes";
import { profileError, quoteText } from "./error.ts";
import type { ArtifactDeclaration } from "./profile.ts";
import { parseArtifact } from "./read-artifact.ts";
import { type ReadService, readService } from "./read-service.ts";
import type { ConfigReader, FoundDeclaration } from "./reader.ts";
import { isBefore } from "./setting-store.ts";
import { findSetting } from "./setting-table.ts";
import { didYouMean } from "./suggest.ts";

/** Reads the services and artefacts that are left: the last of each name, without what `Remove=` drops. Sorted by name. */
export function readDeclarations(reader: ConfigReader): { services: ReadService[]; artifacts: ArtifactDeclaration[] } {
  const { disk } = reader;
  const services = remaining(reader, "services").map(({ path }) => readService(disk.readText(path), disk.show(path)));
  const artifacts = remaining(reader, "artifacts").map(({ path }) =>
    parseArtifact(disk.readText(path), disk.show(path), { directory: disk.directory }),
  );
  return { services, artifacts };
}

function remaining({ declarations, store }: ConfigReader, folder: FoundDeclaration["folder"]): FoundDeclaration[] {
  const winners = new Map<string, FoundDeclaration>();
  for (const found of declarations) {
    if (found.folder !== folder) continue;
    const other = winners.get(found.name);
    if (other === undefined || isBefore(other.turn, found.turn)) winners.set(found.name, found);
  }
  const section = folder === "services" ? "Services" : "Artifacts";
  const dropped = new Set<string>();
  for (const { item, position, turn } of store.effective(findSetting(`${section}.Remove`)!)) {
    const name = String(item.value);
    const earlier = declarations.filter((found) => found.folder === folder && isBefore(found.turn, turn));
    if (!earlier.some((found) => found.name === name)) {
      const names = [...new Set(earlier.map((found) => found.name))].sort(compareCodeUnits);
      throw profileError("profile-bad-reference", {
        cannot: `remove ${folder.slice(0, -1)} ${quoteText(name)}`,
        at: position,
        expected: names.length === 0 ? `${folder} declared before` : `one of ${names.join(", ")}`,
        got: "a name that nothing read so far declares",
        hint: didYouMean(name, names) ?? "a profile can drop what a profile before it declares",
        setting: `${section}.Remove`,
      });
    }
    if (isBefore(winners.get(name)!.turn, turn)) dropped.add(name);
  }
  return [...winners.values()]
    .filter(({ name }) => !dropped.has(name))
    .sort((a, b) => compareCodeUnits(a.name, b.name));
}
