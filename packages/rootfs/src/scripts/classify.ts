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

/** A maintainer script as far as it can be read without running it. */
export interface MaintainerScript {
  package: string;
  script: ClassifiedScript["script"];
  text: string;
  /** What a first installation reaches; undefined where the script is no shell script that can be read. */
  commands: MaintainerCommand[] | undefined;
}

/** Reads every script of a package. */
export function readScripts({ name, scripts, triggers }: ScriptSource): MaintainerScript[] {
  const read = SCRIPT_NAMES.filter((script) => scripts[script] !== undefined).map((script): MaintainerScript => {
    const text = scripts[script]!;
    // Questions have defaults, and what runs at removal never runs: an image's packages are not removed.
    const isRun = script === "preinst" || script === "postinst";
    return { package: name, script, text, commands: isRun ? readCommands(text, { script, packageName: name }) : [] };
  });
  return triggers === undefined ? read : [...read, { package: name, script: "triggers", text: triggers, commands: [] }];
}

/** Classifies what a script does: what a finisher does in its place, what can be left out, and what nobody does. */
export function classifyScript(script: MaintainerScript, image: ImageFacts): ClassifiedScript {
  const sha256 = sha256Hex(Buffer.from(script.text, "latin1"));
  const common = { package: script.package, script: script.script, sha256 };
  if (!script.commands) {
    const first = script.text.split("\n", 1)[0]!.slice(0, 120);
    return { ...common, class: "not-handled", lines: [{ line: 1, text: printable(first), class: "not-handled" }] };
  }
  const lines = script.commands.map((command) => classifyCommand(command, image));
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
  { script, packageName }: { script: "preinst" | "postinst"; packageName: string },
): MaintainerCommand[] | undefined {
  if (!/^#!\s*\S*\/(env )?(sh|bash|dash)\b/.test(text)) return undefined;
  try {
    const commands = firstInstallCommands(text, { kind: script, packageName });
    return commands.map((command) => ({ ...command, package: packageName, script }));
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** Text for people and JSON: Latin-1 bytes beyond ASCII and control characters are shown as `?`. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
