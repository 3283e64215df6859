import type { Change, ImageDifference, RegisterDifference } from "@cvm-build/image";
import { registerTitle } from "./measurements.ts";
import type { Painter } from "./painter.ts";

/** Hex digits of a digest that tell values apart on a screen. */
const DIGITS_SHOWN = 16;
/** Files that are listed; all of them are in the JSON. */
const FILES_SHOWN = 40;

/** Registers that differ with their events, and what in the images made them. */
export function renderDifference(difference: ImageDifference, painter: Painter): string {
  const { registers, contents, onlyOn } = difference;
  const { files } = contents;
  const sections = [
    renderChanges("parts", contents.parts, painter),
    renderChanges("packages", contents.packages, painter),
    renderChanges("artefacts", contents.artifacts, painter),
    renderChanges(
      "files",
      files.slice(0, FILES_SHOWN).map(({ name, origin, a, b }) => ({
        name: `${name} (${origin})`,
        ...(a && { a: `${a.sizeBytes} bytes ${a.sha256.slice(0, DIGITS_SHOWN)}` }),
        ...(b && { b: `${b.sizeBytes} bytes ${b.sha256.slice(0, DIGITS_SHOWN)}` }),
      })),
      painter,
    ),
    files.length > FILES_SHOWN ? `  and ${files.length - FILES_SHOWN} more files: --json has all\n` : "",
  ];
  const verdict =
    registers.length === 0
      ? painter("green", "no register differs")
      : painter("yellow", `${registers.map(({ register }) => registerTitle(register)).join(", ")} differ`);
  return [
    ...onlyOn.map(({ platform, image }) => `only ${difference[image]} is measured for platform ${platform}\n`),
    ...registers.map((register) => renderRegister(register, painter)),
    ...sections,
    `${verdict}\n`,
  ].join("");
}

function renderRegister(
  { platform, register, values, events, sameEvents }: RegisterDifference,
  painter: Painter,
): string {
  const [[bank, value] = ["", {}]] = Object.entries(values).sort(([one], [other]) =>
    one === "sha256" ? -1 : other === "sha256" ? 1 : 0,
  );
  const lines = [
    `${painter("bold", registerTitle(register))} on ${platform}: ${sameEvents} events are the same`,
    ...(bank === ""
      ? []
      : [
          `  ${bank} ${painter("red", value.a ?? "none")}`,
          `  ${" ".repeat(bank.length)} ${painter("green", value.b ?? "none")}`,
        ]),
    ...events.map((step) => {
      if (step.kind === "removed") return `  ${painter("red", "-")} ${eventName(step.a)}`;
      if (step.kind === "added") return `  ${painter("green", "+")} ${eventName(step.b)}`;
      return `  ${painter("yellow", "~")} ${eventName(step.a)}${sizes(step)}`;
    }),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

type Step = RegisterDifference["events"][number];

function eventName({ label, type, source }: Extract<Step, { a: unknown }>["a"]): string {
  const from = [source.section, source.file, source.package, source.setting].filter((part) => part !== undefined);
  return `${label} ${type ?? ""}${from.length > 0 ? ` from ${from.join(", ")}` : ""}`;
}

function sizes(step: Extract<Step, { kind: "changed" | "same" }>): string {
  const [a, b] = [step.a.content?.sizeBytes, step.b.content?.sizeBytes];
  return a === b || a === undefined || b === undefined ? "" : `: ${a} bytes, then ${b}`;
}

function renderChanges(title: string, changes: readonly Change<string>[], painter: Painter): string {
  if (changes.length === 0) return "";
  const lines = changes.map(({ name, a, b }) => {
    if (a === undefined) return `  ${painter("green", "+")} ${name} ${b}`;
    if (b === undefined) return `  ${painter("red", "-")} ${name} ${a}`;
    return `  ${painter("yellow", "~")} ${name} ${a} → ${b}`;
  });
  return `${painter("bold", title)}\n${lines.map((line) => `${line}\n`).join("")}`;
}
