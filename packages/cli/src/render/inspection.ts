import type { UkiInspection } from "@cvm-build/image";
import type { Painter } from "./painter.ts";
import { renderSize } from "./size.ts";
import { renderTable } from "./table.ts";

type Section = UkiInspection["sections"][number];

/** A UKI's stub, sections and digests. */
export function renderInspection(inspection: UkiInspection, painter: Painter): string {
  const facts = [
    ["size", `${inspection.sizeBytes} bytes (${renderSize(inspection.sizeBytes)})`],
    ["sha256", inspection.sha256],
    ["stub", inspection.stubVersion ?? "none: not a UKI"],
    ["signed", inspection.signed ? "yes" : "no"],
    ["uname", inspection.uname ?? ""],
    ["cmdline", inspection.cmdline ?? ""],
    ...Object.entries(inspection.authenticode).map(([algorithm, digest]) => [`authenticode ${algorithm}`, digest]),
  ].filter(([, value]) => value !== "");
  return [
    renderTable(
      [{ heading: "" }, { heading: "" }],
      facts.map(([name = "", value = ""]) => [painter("dim", name), value]),
    ),
    `\n${sectionTable(inspection.sections)}`,
    ...(inspection.profiles ?? []).map((sections, index) => `\nprofile ${index}\n${sectionTable(sections)}`),
    textBlock("osrel", inspection.osrel, painter),
    textBlock("sbat", inspection.sbat, painter),
  ].join("");
}

function sectionTable(sections: readonly Section[]): string {
  return renderTable(
    [
      { heading: "section" },
      { heading: "offset", align: "right" },
      { heading: "size", align: "right" },
      { heading: "sha256" },
    ],
    sections.map(({ name, offsetBytes, sizeBytes, sha256 }) => [
      name,
      `0x${offsetBytes.toString(16)}`,
      String(sizeBytes),
      sha256,
    ]),
  );
}

function textBlock(name: string, text: string | undefined, painter: Painter): string {
  return text ? `\n${painter("bold", name)}\n${text.trimEnd()}\n` : "";
}
