import { FormatError, type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import { SCRIPT_NAMES, type ScriptName } from "../packages/payload.ts";
import { firstInstallCommands } from "./first-install.ts";
import type { MaintainerCommand } from "./maintainer-command.ts";
import type { ImageFacts } from "./snippet.ts";
import { SNIPPETS } from "./snippets.ts";

/** From "there is nothing to do" to "somebody has to look". */
export const SCRIPT_CLASSES = ["none-needed", "harmless", "handled", "not-handled"] as const;
export type ScriptClass = (typeof SCRIPT_CLASSES)[number];

/** What became of one line of a script that was not run. */
export interface ClassifiedLine {
  /** Counts from 1. */
  line: number;
  text: string;
  class: "handled" | "harmless" | "not-handled";
  /** The finisher that does it, or why it can be left out. */
  by?: string;
}

/** A maintainer script that was not run, and what that means. */
export interface ClassifiedScript {
  package: string;
  script: ScriptName | "triggers";
  sha256: Sha256Hex;
  /** The worst of its lines; `none-needed` where a first installation reaches none. */
  class: ScriptClass;
  /** The commands that a first installation reaches, in order. */
  lines: ClassifiedLine[];
}

/** The maintainer scripts of one package. */
export interface ScriptSource {
  name: string;
  scripts: Partial<Record<ScriptName, string>>;
  triggers?: string;
}

/** The commands that a package's scripts reach on a first installation; a script that is no shell script has none. */
export function maintainerCommands({ name, scripts }: ScriptSource): MaintainerCommand[] {
  return (["preinst", "postinst"] as const).flatMap((kind) => {
    const script = scripts[kind];
    return script === undefined ? [] : (readCommands(script, { kind, packageName: name }) ?? []);
  });
}

/** Classifies every script of a package: what a finisher does, what can be left out, and what nobody does. */
export function classifyScripts(source: ScriptSource, image: ImageFacts): ClassifiedScript[] {
  const classified = SCRIPT_NAMES.filter((script) => source.scripts[script] !== undefined).map((script) =>
    classifyScript(source.name, { script, text: source.scripts[script]!, image }),
  );
  if (source.triggers === undefined) return classified;
  const sha256 = sha256Hex(Buffer.from(source.triggers, "latin1"));
  return [...classified, { package: source.name, script: "triggers", sha256, class: "none-needed", lines: [] }];
}

function classifyScript(
  packageName: string,
  { script, text, image }: { script: ScriptName; text: string; image: ImageFacts },
): ClassifiedScript {
  const common = { package: packageName, script, sha256: sha256Hex(Buffer.from(text, "latin1")) };
  // Questions have defaults, and what runs at removal never runs: an image's packages are not removed.
  if (script !== "preinst" && script !== "postinst") return { ...common, class: "none-needed", lines: [] };
  const commands = readCommands(text, { kind: script, packageName });
  if (!commands) {
    const first = text.split("\n", 1)[0]!.slice(0, 120);
    return { ...common, class: "not-handled", lines: [{ line: 1, text: printable(first), class: "not-handled" }] };
  }
  const lines = commands.map((command) => classifyCommand(command, image));
  const worst = Math.max(0, ...lines.map((line) => SCRIPT_CLASSES.indexOf(line.class)));
  return { ...common, class: SCRIPT_CLASSES[worst]!, lines: mergeLines(lines) };
}

function classifyCommand(command: MaintainerCommand, image: ImageFacts): ClassifiedLine {
  const place = { line: command.line, text: printable(command.text) };
  const snippet = SNIPPETS.find((candidate) => {
    if (candidate.commands && !candidate.commands.includes(command.argv[0] ?? "")) return false;
    if (candidate.packages && !candidate.packages.includes(command.package)) return false;
    if (command.writes.length > 0 && candidate.writes !== true) return false;
    return candidate.when?.(command, image) ?? true;
  });
  return snippet ? { ...place, class: snippet.class, by: snippet.by } : { ...place, class: "not-handled" };
}

/** A line that is reached several times with the same outcome is told once. */
function mergeLines(lines: ClassifiedLine[]): ClassifiedLine[] {
  const byText = new Map(lines.map((line) => [JSON.stringify(line), line]));
  return [...byText.values()].sort((a, b) => a.line - b.line);
}

function readCommands(
  text: string,
  { kind, packageName }: { kind: "preinst" | "postinst"; packageName: string },
): MaintainerCommand[] | undefined {
  if (!/^#!\s*\S*\/(env )?(sh|bash|dash)\b/.test(text)) return undefined;
  try {
    const commands = firstInstallCommands(text, { kind, packageName });
    return commands.map((command) => ({ ...command, package: packageName, script: kind }));
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** Text for people and JSON: Latin-1 bytes beyond ASCII and control characters are shown as `?`. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
