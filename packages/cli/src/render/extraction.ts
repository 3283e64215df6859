import type { ExtractReport } from "@cvm-build/image";
import type { Painter } from "./painter.ts";
import { renderSize } from "./size.ts";
import { oneLine } from "./terminal-text.ts";

/** More of a kind are counted. */
const SHOWN = 5;

/** What was taken out of an image, and what could not be made. */
export function renderExtraction(report: ExtractReport, painter: Painter): string {
  const { output, manifest, files, directories, symlinks, parts, sizeBytes, notMade } = report;
  const lines = parts.map((name) => `${output}/${name}\n`);
  if (manifest !== undefined) {
    lines.push(`${output}: ${files} files, ${directories} directories, ${symlinks} symbolic links\n`);
  }
  lines.push(`${renderSize(sizeBytes)} in all\n`);
  const kinds = Map.groupBy(notMade, ({ what }) => what.split(" ")[0] ?? "");
  for (const [kind, cases] of kinds) {
    const shown = cases.slice(0, SHOWN).map(({ path, what }) => `  ${oneLine(`${path}: ${what}`)}\n`);
    const more = cases.length > SHOWN ? `  and ${cases.length - SHOWN} more\n` : "";
    lines.push(painter("yellow", `only in ${manifest}: ${kind} (${cases.length})`), "\n", ...shown, more);
  }
  return lines.join("");
}
