import { CvmError } from "@cvm-build/bytes";
import type { FileTree } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import type { FinisherEffect, PackageFinisher } from "../finisher.ts";
import type { ShellValue } from "../scripts/shell-state.ts";
import type { TreeEditor } from "../tree-editor.ts";
import { enableUnit, maskUnit } from "../units/enable.ts";
import { readPresets } from "../units/presets.ts";
import { findUnit, isMasked, type UnitScope } from "../units/unit-files.ts";
import { finisherEditor } from "./editor.ts";

/** A unit that a maintainer script enables. */
export interface EnableRequest {
  unit: string;
  scope: UnitScope;
  /** Whether presets are asked: deb-systemd-helper does on a first installation, a plain `systemctl enable` does not. */
  asksPresets: boolean;
}

/** Reads `deb-systemd-helper enable UNIT…` and `systemctl enable|preset UNIT…`; undefined where it is anything else. */
export function parseEnableCommand([command, ...words]: readonly ShellValue[]): EnableRequest[] | undefined {
  if (command !== "deb-systemd-helper" && command !== "systemctl") return undefined;
  if (words.includes(undefined)) return undefined;
  const [verb, ...units] = (words as string[]).filter((word) => !word.startsWith("-"));
  const isEnable = verb === "enable" || (command === "systemctl" && verb === "preset");
  if (!isEnable || units.length === 0) return undefined;
  const isUser = words.includes("--user") || words.includes("--global");
  const asksPresets = command === "deb-systemd-helper" || verb === "preset";
  return units.map((unit) => ({ unit, scope: isUser ? "user" : "system", asksPresets }));
}

/**
 * Which units start: those that packages enable on installation, as presets allow, and those that the profile enables;
 * then what it masks, and the default target. Other units of packages stay as they are, as on a Debian system, and those
 * of extra trees are the profile's to enable. The units of its services are linked where they are written.
 */
export const unitEnablementFinisher: PackageFinisher = {
  name: "unit-enablement",
  replaces: ["deb-systemd-helper", "systemctl"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    if (isMerged(context.profile)) return leaveToSystem(editor, context.profile);
    if (!tree.has("/usr/lib/systemd/system")) return editor.effect("no systemd in the image");
    enableForPackages(
      editor,
      context.commands.flatMap(({ argv }) => parseEnableCommand(argv) ?? []),
    );
    const { enableUnits, maskUnits, defaultTarget } = context.profile.content;
    for (const unit of enableUnits) {
      if (!enableUnit(editor, unit)) throw missingUnit(tree, { setting: "Enable=", unit });
    }
    for (const unit of maskUnits) maskUnit(editor, unit);
    setDefaultTarget(editor, defaultTarget);
    const links = editor.effect("").paths.filter((path) => /\.(wants|requires|upholds)\//.test(path));
    return editor.effect(`${links.length} units enabled, ${maskUnits.length} masked, boots to ${defaultTarget}`);
  },
};

/** What becomes part of another system boots nothing itself. */
function isMerged({ output }: Profile): boolean {
  return output.format === "sysext" || output.format === "confext" || output.format === "portable";
}

function leaveToSystem(editor: TreeEditor, { content, output }: Profile): FinisherEffect {
  const { enableUnits, maskUnits } = content;
  const [setting, unit] = enableUnits.length > 0 ? ["Enable=", enableUnits[0]] : ["Mask=", maskUnits[0]];
  if (unit === undefined) return editor.effect("units are enabled by the system that it becomes part of");
  throw new CvmError(
    "setting",
    `cannot apply ${setting} "${unit}": expected no such setting with Format=${output.format}`,
    {
      hint: "enable units in the system that it becomes part of; a link below /usr/lib/systemd/system in ExtraTrees= is merged too",
      details: { setting: setting.replace("=", ""), unit },
    },
  );
}

function enableForPackages(editor: TreeEditor, requests: EnableRequest[]): void {
  const presets = { system: readPresets(editor.tree, "system"), user: readPresets(editor.tree, "user") };
  for (const { unit, scope, asksPresets } of requests) {
    if (isMasked(editor.tree, unit, scope)) continue;
    const decision = presets[scope](unit);
    if (asksPresets && decision.action !== "enable") continue;
    const instances = decision.instances.map((instance) => unit.replace("@.", `@${instance}.`));
    for (const name of asksPresets && instances.length > 0 ? instances : [unit]) enableUnit(editor, name, scope);
  }
}

function setDefaultTarget(editor: TreeEditor, target: string): void {
  const path = findUnit(editor.tree, target);
  if (path === undefined) throw missingUnit(editor.tree, { setting: "DefaultTarget=", unit: target });
  const link = "/etc/systemd/system/default.target";
  editor.remove(link);
  editor.writeSymlink(link, path);
}

function missingUnit(tree: FileTree, { setting, unit }: { setting: string; unit: string }): CvmError<"setting"> {
  const all = ["/etc/systemd/system", "/usr/lib/systemd/system"].flatMap((directory) => tree.list(directory));
  const stem = unit.replace(/\.[a-z]+$/, "");
  const near = all.filter((name) => name.includes(stem) || stem.includes(name.replace(/\.[a-z]+$/, ""))).slice(0, 5);
  return new CvmError("setting", `cannot apply ${setting} "${unit}": expected a unit of that name in the image`, {
    hint: near.length > 0 ? `did you mean ${near.join(", ")}?` : "is the package that holds it in Packages=?",
    details: { setting: setting.replace("=", ""), unit },
  });
}
