import type { ExplainedEvent, Explanation, FileExplanation, RegisterExplanation } from "@cvm-build/image";
import { registerTitle } from "./measurements.ts";
import type { Painter } from "./painter.ts";
import { renderSize } from "./size.ts";
import { renderTable } from "./table.ts";

/** Hex digits of a digest that tell events apart on a screen. */
const DIGITS_SHOWN = 16;
/** Bytes of what was measured that are shown. */
const BYTES_SHOWN = 120;
/** The bank that people compare by eye. */
const SHOWN_BANK = "sha256";

/** Registers event by event, or a file with the registers that it decides. */
export function renderExplanation({ registers, file }: Explanation, painter: Painter): string {
  if (file) return renderFile(file, painter);
  return registers.map((register) => renderRegister(register, painter)).join("\n");
}

function renderRegister(explanation: RegisterExplanation, painter: Painter): string {
  const { platform, register, values, unpredicted, alternatives, events } = explanation;
  const title = `${painter("bold", registerTitle(register))} on ${platform}\n`;
  const rows = Object.entries(values).map(([bank, value]) => [`  ${bank}`, painter("green", value)]);
  return [
    title,
    unpredicted === undefined ? "" : `  ${painter("yellow", "not predicted:")} ${unpredicted}\n`,
    renderTable([{ heading: "" }, { heading: "" }], rows),
    ...alternatives.map(({ values: each, reason }) => {
      const either = each.map((value) => value[SHOWN_BANK] ?? Object.values(value)[0] ?? "").join(" or ");
      return `  ${painter("yellow", "one of:")} ${either}: ${reason}\n`;
    }),
    ...events.map((event, index) => renderEvent(event, { number: index + 1, painter })),
  ].join("");
}

function renderEvent(event: ExplainedEvent, { number, painter }: { number: number; painter: Painter }): string {
  const { register, type, label, digests, content, after } = event;
  const bank =
    digests[SHOWN_BANK] === undefined ? (Object.keys(digests)[0] as keyof typeof digests | undefined) : SHOWN_BANK;
  const kind = type ?? (/^(pcr|rtmr)/.test(register) ? "extended by userspace" : undefined);
  const facts = [kind, content && `${content.sizeBytes} bytes`].filter(Boolean).join(", ");
  const lines = [
    `${painter("cyan", String(number).padStart(3))} ${painter("bold", label)}${facts === "" ? "" : `  ${facts}`}`,
    // Pages of which only addresses are measured have no digest of their own.
    ...(bank === undefined
      ? []
      : [
          `    ${bank} ${digests[bank]?.slice(0, DIGITS_SHOWN)}…${after ? ` → ${after[bank]?.slice(0, DIGITS_SHOWN)}…` : ""}`,
        ]),
    ...(content?.hex === undefined ? [] : [`    bytes: ${showBytes(content.hex)}`]),
    ...originLines(event),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function originLines({ source, origin }: ExplainedEvent): string[] {
  const { file, setting, segments } = origin;
  return [
    ...(source.constant === undefined ? [] : [`    from: ${source.constant}, a constant`]),
    ...(source.section === undefined ? [] : [`    from: section ${source.section}`]),
    ...(source.file === undefined ? [] : [`    file: ${source.file}${file ? `, ${renderSize(file.sizeBytes)}` : ""}`]),
    ...(source.package === undefined
      ? []
      : [`    package: ${source.package} ${origin.package?.version ?? ""}`.trimEnd()]),
    ...(setting ? [`    setting: ${setting.name}${setting.value === undefined ? "" : `=${setting.value}`}`] : []),
    ...(segments ? [`    made of: ${segments.length} segments: ${originSummary(segments)}`] : []),
  ];
}

/** `3 packages, 2 finishers`. */
function originSummary(segments: readonly { origin: string }[]): string {
  const kinds = Map.groupBy(segments, ({ origin }) => origin.split(":")[0] ?? "");
  return [...kinds].map(([kind, { length }]) => `${length} ${kind}`).join(", ");
}

function renderFile({ file, segment, replaced, events }: FileExplanation, painter: Painter): string {
  const mode = file.mode.toString(8).padStart(4, "0");
  const about = [
    ["file", `${painter("bold", file.path)} ${file.kind} ${mode} ${file.uid}:${file.gid}, ${file.sizeBytes} bytes`],
    [file.target === undefined ? "sha256" : "target", file.target ?? file.sha256],
    ["from", segment.package ? `package ${segment.package.name} ${segment.package.version}` : segment.origin],
    ...(segment.package ? [["package sha256", segment.package.sha256]] : []),
    ...(replaced.length > 0 ? [["in place of", `that of ${replaced.join(", ")}`]] : []),
    [
      "in",
      `initrd, segment ${segment.index + 1}, bytes ${segment.offsetBytes} to ${segment.offsetBytes + segment.sizeBytes}`,
    ],
    ["segment sha256", segment.sha256],
  ];
  const decided = events.map(({ platform, register, label }) => [
    `  ${platform}`,
    painter("green", registerTitle(register)),
    label,
  ]);
  return [
    renderTable([{ heading: "" }, { heading: "" }], about),
    "decides\n",
    renderTable([{ heading: "" }, { heading: "" }, { heading: "" }], decided),
  ].join("");
}

/** Text where it is text, in either of the encodings that firmware measures, else hex. */
function showBytes(hex: string): string {
  const bytes = Buffer.from(hex, "hex");
  const shown = [bytes.toString("utf16le"), bytes.toString("latin1")]
    .map((text) => text.replace(/\0$/, ""))
    .find((text) => /^[\n\t\x20-\x7e]+$/.test(text));
  const text = shown === undefined ? hex : JSON.stringify(shown);
  return text.length > BYTES_SHOWN ? `${text.slice(0, BYTES_SHOWN)}…` : text;
}
