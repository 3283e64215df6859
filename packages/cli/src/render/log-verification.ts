import type { EventDifference, LogAgreement, LogVerification, VerifiedRegister } from "@cvm-build/image";
import { registerTitle, renderUnpredicted } from "./measurements.ts";
import type { Painter } from "./painter.ts";
import { renderTable } from "./table.ts";

/** The bank that people compare by eye; all are in the JSON. */
const SHOWN_BANK = "sha256";
/** Hex digits of a digest that tell events apart on a screen. */
const DIGITS_SHOWN = 16;

/** Every register of a log beside its prediction, and where those that differ part. */
export function renderLogVerification(report: LogVerification, painter: Painter): string {
  const { log, image, platform, registers, agreement, agrees, unpredicted } = report;
  const verdict = agrees
    ? painter("green", "the log is the predicted one: every register and every event")
    : painter("red", "the log is not the predicted one");
  const alone = agreement
    ? ""
    : painter("dim", "the log alone was compared: only registers that hardware signed make it true (verify-quote)\n");
  return [
    `${painter("bold", log)} against ${image.id} ${image.version} on ${platform}\n`,
    renderComparedRegisters(registers, painter),
    agreement ? renderAgreement(agreement, painter) : "",
    renderUnpredicted(unpredicted, painter),
    alone,
    `${verdict}\n`,
  ].join("");
}

/** Registers held against a log: a line each, and the first differing event of those that differ. */
export function renderComparedRegisters(registers: readonly VerifiedRegister[], painter: Painter): string {
  const columns = [{ heading: "register" }, { heading: "banks" }, { heading: "events", align: "right" as const }];
  const rows = registers.map(({ register, comparedBanks, events, equal }) => [
    registerTitle(register),
    comparedBanks.join(" "),
    String(events.length),
    equal ? painter("green", "equal") : painter("red", "differs"),
  ]);
  const differing = registers.filter(({ equal }) => !equal);
  return [
    renderTable([...columns, { heading: "" }], rows),
    ...differing.map((register) => renderDiffering(register, painter)),
  ].join("");
}

/** Whether a log leads to registers, and which not. */
export function renderAgreement(agreement: LogAgreement, painter: Painter): string {
  const { registers, unlogged, repeatedEvents } = agreement;
  const differing = registers.filter(({ equal }) => !equal);
  const title = (all: readonly { register: string }[]) =>
    [...new Set(all.map(({ register }) => registerTitle(register)))].join(", ");
  return [
    differing.length === 0
      ? `the log leads to the machine's registers: ${title(registers) || "none that both have"}\n`
      : `${painter("red", "the log does not lead to the machine's registers:")} ${title(differing)}\n`,
    repeatedEvents > 0 ? `${repeatedEvents} events were left out that the log holds twice\n` : "",
    unlogged.length > 0
      ? painter("yellow", `the log tells nothing of what was extended into ${unlogged.map(registerTitle).join(", ")}\n`)
      : "",
  ].join("");
}

function renderDiffering(register: VerifiedRegister, painter: Painter): string {
  const { comparedBanks, differingBanks, difference, reachedPhase } = register;
  const shown = differingBanks.find(({ bank }) => bank === SHOWN_BANK) ?? differingBanks[0];
  const values = shown
    ? [
        [shown.bank, "predicted", painter("green", shown.predicted)],
        ["", "real", painter("red", shown.real)],
      ]
    : [];
  return [
    `\n${painter("bold", registerTitle(register.register))}\n`,
    renderTable([{ heading: "" }, { heading: "" }, { heading: "" }], values),
    comparedBanks.length === 0 ? "no bank is both predicted and measured\n" : "",
    difference ? renderDifference(difference, painter) : "",
    reachedPhase === undefined ? "" : `it is the value ${phaseText(reachedPhase)}\n`,
  ].join("");
}

/** When in a boot PCR 11 has a value. */
export function phaseText(path: string): string {
  return path === "" ? "before any phase of the boot" : `after ${path}: the boot had come no further`;
}

function renderDifference({ index, kind, predicted, real }: EventDifference, painter: Painter): string {
  const what = {
    changed: "has another digest than was predicted",
    missing: "was predicted and is not in the log",
    extra: "was not predicted",
  }[kind];
  const source = predicted && kind !== "extra" ? sourceText(predicted.source) : "";
  return [
    `event ${index + 1} ${what}\n`,
    predicted ? `  predicted ${eventText(predicted, painter, "green")}${source}\n` : "",
    real ? `  real      ${eventText(real, painter, "red")}\n` : "",
  ].join("");
}

type Event = NonNullable<EventDifference["real"]>;

function eventText({ type, label, digests }: Event, painter: Painter, style: "green" | "red"): string {
  const digest = digests.sha256 ?? Object.values(digests)[0] ?? "";
  return `${type ?? "userspace"} ${label} ${painter(style, digest.slice(0, DIGITS_SHOWN))}`;
}

function sourceText(source: NonNullable<EventDifference["predicted"]>["source"]): string {
  const parts = [source.section, source.file, source.package, source.setting, source.constant];
  const named = parts.filter((part) => part !== undefined);
  return named.length > 0 ? `, from ${named.join(", ")}` : "";
}
