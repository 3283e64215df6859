import type { PackageFinisher } from "../finisher.ts";
import type { MaintainerCommand } from "../scripts/maintainer-command.ts";
import { finisherEditor } from "./editor.ts";

/** A default that a package copies into /etc unless something is there. */
export interface ConfigurationCopy {
  source: string;
  target: string;
}

/** Reads `ucf SOURCE TARGET` and `cp SOURCE TARGET` from /usr into /etc; undefined where it is anything else. */
export function parseConfigurationCopy({
  argv: [command, ...words],
  writes,
}: Pick<MaintainerCommand, "argv" | "writes">): ConfigurationCopy | undefined {
  if ((command !== "ucf" && command !== "cp") || writes.length > 0 || words.includes(undefined)) return undefined;
  if (words.some((word) => /^-[a-zA-Z]*[rR]|^--recursive$/.test(word ?? ""))) return undefined;
  const [source, target, ...rest] = (words as string[]).filter((word) => !word.startsWith("-"));
  if (rest.length > 0 || !source?.startsWith("/usr/") || !target?.startsWith("/etc/")) return undefined;
  return target.endsWith("/") || /[*?[]/.test(source) ? undefined : { source, target };
}

/** Configuration that packages keep in /usr and copy into /etc when they are installed. */
export const configurationCopiesFinisher: PackageFinisher = {
  name: "configuration-copies",
  replaces: ["ucf", "cp"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    for (const command of context.commands) {
      const copy = parseConfigurationCopy(command);
      const source = copy && tree.follow(copy.source);
      if (!copy || source?.kind !== "file" || editor.has(copy.target)) continue;
      editor.writeFile(copy.target, source.content, { mode: source.mode });
    }
    const effect = editor.effect("");
    return { ...effect, summary: `${effect.paths.length} files` };
  },
};
