import type { FileTree } from "@cvm-build/fs-writer";
import { readContent } from "@cvm-build/fs-writer";
import { configurationFiles } from "../configuration-files.ts";
import type { UnitScope } from "./unit-files.ts";

/** One line of a preset file. */
interface PresetRule {
  action: "enable" | "disable" | "ignore";
  pattern: RegExp;
  /** Instances to enable of a template. */
  instances: string[];
}

/** What presets say about a unit; the first rule that matches decides, and without one it is enabled. */
export interface PresetDecision {
  action: "enable" | "disable" | "ignore";
  instances: string[];
}

/**
 * Reads the preset files of a scope.
 * @see systemd.preset(5)
 */
export function readPresets(tree: FileTree, scope: UnitScope): (unit: string) => PresetDecision {
  const directories = ["/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"];
  const files = configurationFiles(
    tree,
    directories.map((path) => `${path}/${scope}-preset`),
    ".preset",
  );
  const rules = files.flatMap((path) => {
    const node = tree.follow(path);
    return node?.kind === "file" ? parsePresets(readContent(node.content).toString("utf8")) : [];
  });
  return (unit) => {
    const rule = rules.find(({ pattern }) => pattern.test(unit));
    return rule ? { action: rule.action, instances: rule.instances } : { action: "enable", instances: [] };
  };
}

function parsePresets(text: string): PresetRule[] {
  return text.split("\n").flatMap((line) => {
    const [action, pattern, ...instances] = line.trim().split(/\s+/);
    if (pattern === undefined || (action !== "enable" && action !== "disable" && action !== "ignore")) return [];
    return [{ action, pattern: globPattern(pattern), instances }];
  });
}

/** A glob over unit names, which hold no slash. */
function globPattern(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replace(/\*/g, ".*")
    .replace(/\?/g, ".")
    .replace(/\[!/g, "[^");
  try {
    return new RegExp(`^${source}$`);
  } catch {
    return /^$/;
  }
}
