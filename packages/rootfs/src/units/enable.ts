import type { TreeEditor } from "../tree-editor.ts";
import { configurationDirectory, findUnit, readInstallSection, templateOf, type UnitScope } from "./unit-files.ts";

/** How many units one request may pull in through `Also=`. */
const MAX_ALSO = 64;

/**
 * Makes the links that `systemctl enable` makes for a unit and those of its `Also=`.
 * @returns whether there is such a unit
 * @see systemd.unit(5), "[INSTALL] SECTION OPTIONS"
 */
export function enableUnit(editor: TreeEditor, name: string, scope: UnitScope = "system"): boolean {
  if (findUnit(editor.tree, name, scope) === undefined) return false;
  const pending = [name];
  const done = new Set<string>();
  for (let unit = pending.pop(); unit !== undefined && done.size < MAX_ALSO; unit = pending.pop()) {
    const path = findUnit(editor.tree, unit, scope);
    if (path === undefined || done.has(unit)) continue;
    done.add(unit);
    const install = readInstallSection(editor.tree, path);
    pending.push(...install.also.map((also) => expandSpecifiers(also, unit!)));
    const instance = instanceName(unit, install.defaultInstance);
    const directory = configurationDirectory(scope);
    for (const alias of install.alias) link(editor, `${directory}/${expandSpecifiers(alias, unit)}`, path);
    // A template without an instance can have aliases, but nobody can want it.
    if (instance === undefined) continue;
    const wanted = { wants: install.wantedBy, requires: install.requiredBy, upholds: install.upheldBy };
    for (const [kind, targets] of Object.entries(wanted)) {
      for (const target of targets) {
        link(editor, `${directory}/${expandSpecifiers(target, instance)}.${kind}/${instance}`, path);
      }
    }
  }
  return true;
}

/** Masks a unit: whatever wants it, it will not start. */
export function maskUnit(editor: TreeEditor, name: string, scope: UnitScope = "system"): void {
  const path = `${configurationDirectory(scope)}/${name}`;
  editor.remove(path);
  editor.writeSymlink(path, "/dev/null");
}

function link(editor: TreeEditor, path: string, target: string): void {
  if (path !== target && !editor.has(path)) editor.writeSymlink(path, target);
}

function instanceName(unit: string, defaultInstance: string | undefined): string | undefined {
  const isTemplate = /@\.[a-z]+$/.test(unit);
  if (!isTemplate) return unit;
  return defaultInstance === undefined ? undefined : unit.replace("@.", `@${defaultInstance}.`);
}

/** %n, %N, %p and %i: those that [Install] sections use. */
function expandSpecifiers(text: string, unit: string): string {
  const withoutType = unit.slice(0, unit.lastIndexOf("."));
  const [prefix = "", instance = ""] =
    templateOf(unit) === undefined ? [withoutType.replace(/@$/, "")] : splitInstance(withoutType);
  const values: Record<string, string> = { n: unit, N: withoutType, p: prefix, i: instance, I: instance, "%": "%" };
  return text.replace(/%([nNpiI%])/g, (_, letter: string) => values[letter] ?? "");
}

function splitInstance(name: string): [string, string] {
  const at = name.indexOf("@");
  return [name.slice(0, at), name.slice(at + 1)];
}
