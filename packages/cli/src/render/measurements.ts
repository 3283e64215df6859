import type { PlatformMeasurements } from "@cvm-build/image";
import type { Painter } from "./painter.ts";
import { renderTable } from "./table.ts";

/** The bank that people compare by eye; the others are in `measurements.json`. */
const SHOWN_BANK = "sha256";

/** One platform's registers, one bank in full, and what is left open. */
export function renderPlatform(platform: PlatformMeasurements, painter: Painter): string {
  return renderRegisters(platform, painter) + renderUnpredicted(platform, painter);
}

function renderRegisters({ name, registers, phases }: PlatformMeasurements, painter: Painter): string {
  const banks = Object.keys(registers.pcr);
  const bank = banks.includes(SHOWN_BANK) ? SHOWN_BANK : banks[0];
  if (bank === undefined) return "";
  const others = banks.filter((other) => other !== bank);
  const heading = `${painter("bold", name)} ${bank}${others.length > 0 ? painter("dim", ` (also in measurements.json: ${others.join(", ")})`) : ""}\n`;
  const values = registers.pcr[bank as keyof typeof registers.pcr] ?? {};
  const rows = Object.entries(values).map(([index, value]) => [
    `PCR ${index}`,
    painter("green", value),
    meaningOf(index),
  ]);
  const ofPhases = Object.entries(phases[bank as keyof typeof phases] ?? {}).map(([path, value]) => [
    "  PCR 11",
    painter("green", value),
    path === "" ? "before any phase" : `after ${path}`,
  ]);
  return heading + renderTable([{ heading: "" }, { heading: "" }, { heading: "" }], [...rows, ...ofPhases]);
}

function renderUnpredicted({ unpredicted }: PlatformMeasurements, painter: Painter): string {
  return unpredicted
    .map(({ register, reason }) => `${painter("yellow", `${register} is not predicted:`)} ${reason}\n`)
    .join("");
}

const MEANINGS: Readonly<Record<string, string>> = {
  "4": "programs that the firmware started",
  "9": "kernel command line and initrd",
  "11": "sections of the UKI, and boot phases",
  "12": "what the host adds: command lines, credentials",
  "13": "system extensions",
};

function meaningOf(index: string): string {
  return MEANINGS[index] ?? "";
}
