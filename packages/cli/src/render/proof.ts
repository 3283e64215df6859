import type { Proof, RegisterComparison } from "@cvm-build/image";
import { registerTitle, renderUnpredicted } from "./measurements.ts";
import type { Painter } from "./painter.ts";
import { renderTable } from "./table.ts";

/** Hex digits of a digest that tell events apart on a screen. */
const DIGITS_SHOWN = 16;

/** Predicted and real registers side by side, and every event of those that differ. */
export function renderProof(proof: Proof, painter: Painter): string {
  const { machine, registers, unpredicted, agrees } = proof;
  const where = `QEMU ${machine.qemuVersion} (${machine.accelerator}), ${machine.firmware.path}, ${machine.memoryMiB} MiB, ${machine.cpus} CPU`;
  const verdict = agrees
    ? painter("green", "proved: every predicted register and event is what the machine measured")
    : painter("red", "not proved: the machine measured something else");
  return [
    `booted in ${proof.durationSec.toFixed(1)} s on ${where}\n\n`,
    renderTable(
      [{ heading: "register" }, { heading: "banks" }, { heading: "events", align: "right" }, { heading: "" }],
      registers.map((register) => summaryRow(register, painter)),
    ),
    ...proof.alternatives.map(({ register, isOne, reason }) => {
      const found = isOne ? painter("green", "has one of its values") : painter("red", "has none of its values");
      return `${registerTitle(register)} ${found}: ${reason}\n`;
    }),
    ...registers.filter(({ equal }) => !equal).map((register) => renderDifference(register, painter)),
    renderUnpredicted(unpredicted, painter),
    `\n${verdict}\n`,
  ].join("");
}

function summaryRow({ register, comparedBanks, events, equal }: RegisterComparison, painter: Painter): string[] {
  const result = equal ? painter("green", "equal") : painter("red", "differs");
  return [registerTitle(register), comparedBanks.join(" "), String(events.length), result];
}

function renderDifference(
  { register, differingBanks, events, firstDifference }: RegisterComparison,
  painter: Painter,
): string {
  const values = differingBanks.flatMap(({ bank, predicted, real }) => [
    [bank, "predicted", painter("green", predicted)],
    ["", "real", painter("red", real)],
  ]);
  const rows = events.map(({ predicted, real, equal }, index) => [
    index === firstDifference ? painter("red", "→") : "",
    cell(predicted),
    cell(real),
    equal ? painter("green", "equal") : painter("red", "differs"),
  ]);
  const noEvent =
    firstDifference === undefined
      ? "the logged events are as predicted: userspace extended something else, or less\n"
      : "";
  return [
    `\n${painter("bold", registerTitle(register))}\n`,
    renderTable([{ heading: "" }, { heading: "" }, { heading: "" }], values),
    rows.length > 0
      ? renderTable([{ heading: "" }, { heading: "predicted" }, { heading: "real" }, { heading: "" }], rows)
      : "",
    noEvent,
  ].join("");
}

function cell(event: RegisterComparison["events"][number]["predicted"]): string {
  if (!event) return "(nothing)";
  const digest = event.digests.sha256 ?? Object.values(event.digests)[0] ?? "";
  return `${event.type ?? "userspace"} ${event.label} ${digest.slice(0, DIGITS_SHOWN)}`;
}
