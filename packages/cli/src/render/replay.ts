import type { ReplayReport } from "@cvm-build/image";
import { registerTitle } from "./measurements.ts";
import type { Painter } from "./painter.ts";
import { renderTable } from "./table.ts";

/** Hex digits of a digest that tell events apart on a screen. */
const DIGITS_SHOWN = 16;

/** The registers that a log leads to, all banks, and the events where they are asked for. */
export function renderReplay(report: ReplayReport, options: { events: boolean; painter: Painter }): string {
  const { log, kind, format, events, registers } = report;
  const { painter } = options;
  const what = kind === "ccel" ? "CC event log of a TD" : `${format} event log of a TPM`;
  const rows = [
    ...Object.entries(registers.pcr).flatMap(([bank, values]) =>
      Object.entries(values).map(([index, value]) => [`PCR ${index}`, bank, painter("green", value)]),
    ),
    ...Object.entries(registers.rtmr ?? {}).map(([index, value]) => [
      `RTMR ${index}`,
      "sha384",
      painter("green", value),
    ]),
  ];
  const columns = [{ heading: "" }, { heading: "" }, { heading: "" }];
  return [
    `${painter("bold", log)}: ${what}, ${events.length} events\n`,
    options.events ? `${renderEvents(events)}\n` : "",
    rows.length > 0 ? renderTable(columns, rows) : "it extends no register in a bank that is known\n",
  ].join("");
}

function renderEvents(events: ReplayReport["events"]): string {
  const rows = events.map(({ register, type, digests, label }) => {
    const digest = digests.sha256 ?? Object.values(digests)[0] ?? "";
    return [register === undefined ? "" : registerTitle(register), type, digest.slice(0, DIGITS_SHOWN), label];
  });
  return renderTable([{ heading: "" }, { heading: "" }, { heading: "" }, { heading: "" }], rows);
}
