import type { PlatformMeasurements } from "@cvm-build/image";
import type { Painter } from "./painter.ts";
import { renderTable } from "./table.ts";

/** The bank that people compare by eye; the others are in `measurements.json`. */
const SHOWN_BANK = "sha256";

/** One platform's registers, one bank in full, and what is left open. */
export function renderPlatform(
  { name, registers, phases, unpredicted, refused }: PlatformMeasurements,
  painter: Painter,
): string {
  const banks = Object.keys(registers.pcr) as (keyof typeof registers.pcr)[];
  const bank = banks.find((each) => each === SHOWN_BANK) ?? banks[0];
  if (bank === undefined) return "";
  const others = banks.filter((other) => other !== bank);
  const elsewhere = others.length > 0 ? painter("dim", ` (also in measurements.json: ${others.join(", ")})`) : "";
  const values = Object.entries(registers.pcr[bank] ?? {}).map(([index, value]) => [
    `PCR ${index}`,
    painter("green", value),
    MEANINGS[index] ?? "",
  ]);
  const ofPhases = Object.entries(phases[bank] ?? {}).map(([path, value]) => [
    "  PCR 11",
    painter("green", value),
    path === "" ? "before any phase" : `after ${path}`,
  ]);
  return [
    renderUnpredicted(unpredicted, painter),
    ...refused.map(({ path, reason }) => `${painter("yellow", `${path} is not started:`)} ${reason}\n`),
    `${painter("bold", name)} ${bank}${elsewhere}\n`,
    renderTable([{ heading: "" }, { heading: "" }, { heading: "" }], [...values, ...ofPhases]),
  ].join("");
}

/** A register's name as people write it: `PCR 11` for `pcr11`. */
export function registerTitle(register: string): string {
  const [, kind, index] = /^(pcr|rtmr)(\d+)$/.exec(register) ?? [];
  if (kind !== undefined) return `${kind.toUpperCase()} ${index}`;
  return register === "launchDigest" ? "launch digest" : register.toUpperCase();
}

/** Registers that a UKI could decide are named with the reason; the others are the machine's, and only listed. */
export function renderUnpredicted(unpredicted: PlatformMeasurements["unpredicted"], painter: Painter): string {
  const isOfImage = ({ register }: { register: string }) => OF_THE_IMAGE.includes(register);
  const ofMachine = unpredicted.filter((each) => !isOfImage(each)).map(({ register }) => register.slice("pcr".length));
  const listed = `not predicted, for reasons in measurements.json: PCR ${ofMachine.join(", ")}\n`;
  return [
    ofMachine.length > 0 ? painter("dim", listed) : "",
    ...unpredicted
      .filter(isOfImage)
      .map(({ register, reason }) => `${painter("yellow", `${register} is not predicted:`)} ${reason}\n`),
  ].join("");
}

/** What the image's publisher decides, and nobody else. */
const OF_THE_IMAGE = ["pcr4", "pcr9", "pcr11", "pcr12", "pcr13"];

const MEANINGS: Readonly<Record<string, string>> = {
  "4": "programs that the firmware started",
  "7": "Secure Boot: its variables, and what let the image start",
  "9": "kernel command line and initrd",
  "11": "sections of the UKI, and boot phases",
  "12": "what the host adds: command lines, credentials",
  "13": "system extensions",
};
