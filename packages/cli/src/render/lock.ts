import type { LockChange, LockReport } from "@cvm-build/image";
import type { Painter } from "./painter.ts";
import { renderTable } from "./table.ts";

const SIGNS = {
  added: ["green", "+"],
  removed: ["red", "-"],
  upgraded: ["cyan", "↑"],
  downgraded: ["yellow", "↓"],
  changed: ["yellow", "~"],
} as const satisfies Record<LockChange["kind"], readonly [Parameters<Painter>[0], string]>;

/** What locking changed, a line a package. */
export function renderLock({ path, packages, artifacts, changes }: LockReport, painter: Painter): string {
  const written = `${path}: ${packages} packages, ${artifacts} artefacts\n`;
  if (!changes) return written;
  if (changes.length === 0) return `nothing changed\n${written}`;
  const rows = changes.map(({ kind, name, before, after }) => {
    const [style, sign] = SIGNS[kind];
    return [painter(style, sign), name, before ?? "", after === undefined ? "" : `→ ${after}`];
  });
  return renderTable([{ heading: "" }, { heading: "" }, { heading: "" }, { heading: "" }], rows) + written;
}
