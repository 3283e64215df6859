import type { UkiInspection } from "@cvm-build/image";
import type { Painter } from "./painter.ts";
import { renderSize } from "./size.ts";
import { renderTable } from "./table.ts";
import { oneLine } from "./terminal-text.ts";

type Section = UkiInspection["sections"][number];
type Signature = NonNullable<UkiInspection["signatures"]>[number];

/** A UKI's stub, sections and digests. */
export function renderInspection(inspection: UkiInspection, painter: Painter): string {
  const facts = [
    ["kind", `${inspection.kind} for ${inspection.machine}`],
    ["size", `${inspection.sizeBytes} bytes (${renderSize(inspection.sizeBytes)})`],
    ["sha256", inspection.sha256],
    ["stub", inspection.stubVersion ?? ""],
    ...(inspection.signatures ?? [{ problem: "none" }]).map((signature) => ["signature", describeSignature(signature)]),
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
    ...(inspection.profiles ?? []).map(
      ({ id, title, cmdline, sections }, index) =>
        `\n${painter("bold", oneLine(["profile", index, id, title, cmdline?.trimEnd()].filter((part) => part !== undefined).join(" ")))}\n` +
        sectionTable(sections),
    ),
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
  ).concat(...sections.flatMap(meaningOf));
}

function describeSignature({ subject, key, hash, problem }: Signature): string {
  return [subject, key, hash, problem].filter((part) => part !== undefined).join(", ");
}

/** What a section that is no text says, one line each. */
function meaningOf({ name, compatible, devices, firmwareId, problem }: Section): string[] {
  return [
    ...(compatible ? [`${name} is for ${compatible.join(", ")}`] : []),
    ...(firmwareId === undefined ? [] : [`${name} is ${firmwareId}`]),
    ...(devices ?? []).map((device) => `${name} ${device.name}: ${device.value} for ${device.chids.join(", ")}`),
    ...(problem === undefined ? [] : [`${name}: ${problem}`]),
  ].map((line) => `${oneLine(line)}\n`);
}

function textBlock(name: string, text: string | undefined, painter: Painter): string {
  return text ? `\n${painter("bold", name)}\n${text.trimEnd()}\n` : "";
}
