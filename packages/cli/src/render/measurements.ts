import type { HashAlgorithm } from "@cvm-build/bytes";
import type { Measurements, PlatformMeasurements } from "@cvm-build/image";
import type { Painter } from "./painter.ts";
import { renderTable } from "./table.ts";

/** The bank that people compare by eye; the others are in `measurements.json`. */
const SHOWN_BANK = "sha256";

/** Where there are more platforms than this, they are rows of one table. */
const MOST_IN_FULL = 4;

/** The registers of an image on its platforms. */
export function renderMeasurements({ platforms }: Pick<Measurements, "platforms">, painter: Painter): string {
  if (platforms.length > MOST_IN_FULL) return renderMatrix(platforms, painter);
  return platforms.map((platform) => renderPlatform(platform, painter)).join("\n");
}

/** One platform's registers, one bank in full, and what is left open. */
export function renderPlatform(platform: PlatformMeasurements, painter: Painter): string {
  const { name, registers, phases, unpredicted, refused, unmeasured = [], alternatives = [] } = platform;
  const bank = shownBank(platform);
  const others = Object.keys(registers.pcr).filter((other) => other !== bank);
  const elsewhere = others.length > 0 ? painter("dim", ` (also in the JSON: ${others.join(", ")})`) : "";
  const ofPhases = Object.entries((bank && phases[bank]) ?? {}).map(([path, value]) => [
    "  PCR 11",
    painter("green", value),
    path === "" ? "before any phase" : `after ${path}`,
  ]);
  return [
    renderUnpredicted(unpredicted, painter),
    ...[...refused, ...unmeasured].map(({ path, reason }) => `${painter("yellow", `${path}:`)} ${reason}\n`),
    `${painter("bold", name)}${bank === undefined ? "" : ` ${bank}`}${elsewhere}\n`,
    renderTable(
      [{ heading: "" }, { heading: "" }, { heading: "" }],
      [...registerRows(platform, painter), ...alternatives.flatMap((each) => rowsOf(each, painter)), ...ofPhases],
    ),
  ].join("");
}

function registerRows(platform: PlatformMeasurements, painter: Painter): string[][] {
  return registerValues(platform).map(([register, value]) => [
    registerTitle(register),
    painter("green", value),
    MEANINGS[register] ?? "",
  ]);
}

/** All registers with a value, PCRs in the bank that is shown. */
function registerValues(platform: PlatformMeasurements): [register: string, value: string][] {
  const { pcr, mrtd, rtmr = {}, launchDigest } = platform.registers;
  const bank = shownBank(platform);
  const pcrs = Object.entries((bank && pcr[bank]) ?? {});
  return [
    ...(launchDigest === undefined ? [] : [["launchDigest", launchDigest] as [string, string]]),
    ...(mrtd === undefined ? [] : [["mrtd", mrtd] as [string, string]]),
    ...Object.entries(rtmr).map(([index, value]): [string, string] => [`rtmr${index}`, value]),
    ...pcrs.map(([index, value]): [string, string] => [`pcr${index}`, value]),
  ];
}

function rowsOf(
  { register, values, reason }: NonNullable<PlatformMeasurements["alternatives"]>[number],
  painter: Painter,
) {
  return values.map((value, index) => [
    registerTitle(register),
    painter("yellow", value[SHOWN_BANK] ?? Object.values(value)[0] ?? ""),
    index === 0 ? `one of ${values.length}: ${reason}` : "or this",
  ]);
}

/** Machines as rows, with the registers in which they differ. */
function renderMatrix(platforms: readonly PlatformMeasurements[], painter: Painter): string {
  const tables = platforms.map((platform) => new Map(registerValues(platform)));
  const registers = [...new Set(tables.flatMap((table) => [...table.keys()]))];
  const isSame = (register: string) => new Set(tables.map((table) => table.get(register))).size === 1;
  const same = registers.filter(isSame).map((register) => [registerTitle(register), tables[0]?.get(register) ?? ""]);
  const rows = platforms.flatMap(({ name }, index) =>
    registers
      .filter((register) => !isSame(register))
      .map((register) => [
        name,
        registerTitle(register),
        painter("green", tables[index]?.get(register) ?? "not predicted"),
      ]),
  );
  const reasons = platforms.flatMap(({ unpredicted }) => unpredicted);
  const different = reasons.filter(
    ({ register, reason }, index) =>
      index === reasons.findIndex((each) => each.register === register && each.reason === reason),
  );
  return [
    renderUnpredicted(different, painter),
    same.length > 0 ? `${painter("bold", `on all ${platforms.length} machines`)}\n` : "",
    renderTable([{ heading: "" }, { heading: "" }], same),
    renderTable([{ heading: "" }, { heading: "" }, { heading: "" }], rows),
  ].join("");
}

function shownBank({ registers }: PlatformMeasurements): HashAlgorithm | undefined {
  const banks = Object.keys(registers.pcr) as HashAlgorithm[];
  return banks.find((each) => each === SHOWN_BANK) ?? banks[0];
}

/** A register's name as people write it: `PCR 11` for `pcr11`. */
export function registerTitle(register: string): string {
  const [, kind, index] = /^(pcr|rtmr)(\d+)$/.exec(register) ?? [];
  if (kind !== undefined) return `${kind.toUpperCase()} ${index}`;
  return register === "launchDigest" ? "launch digest" : register.toUpperCase();
}

/** Registers that an image could decide are named with the reason; the others are the machine's, and only listed. */
export function renderUnpredicted(unpredicted: PlatformMeasurements["unpredicted"], painter: Painter): string {
  const isOfImage = ({ register }: { register: string }) => OF_THE_IMAGE.includes(register);
  const ofMachine = unpredicted.filter((each) => !isOfImage(each)).map(({ register }) => registerTitle(register));
  const listed = `not predicted, for reasons in measurements.json: ${ofMachine.join(", ").replaceAll(", PCR ", ", ")}\n`;
  return [
    ofMachine.length > 0 ? painter("dim", listed) : "",
    ...unpredicted
      .filter(isOfImage)
      .map(
        ({ register, reason }) => `${painter("yellow", `${registerTitle(register)} is not predicted:`)} ${reason}\n`,
      ),
  ].join("");
}

/** What the image's publisher decides, and nobody else; and what of a TEE is worth a reason. */
const OF_THE_IMAGE = [
  "pcr4",
  "pcr9",
  "pcr11",
  "pcr12",
  "pcr13",
  "mrtd",
  "rtmr0",
  "rtmr1",
  "rtmr2",
  "rtmr3",
  "launchDigest",
];

const MEANINGS: Readonly<Record<string, string>> = {
  mrtd: "firmware",
  rtmr0: "firmware's settings, and what the host says of the machine",
  rtmr1: "programs that the firmware started",
  rtmr2: "sections of the UKI, kernel command line and initrd",
  launchDigest: "firmware and CPUs, and the kernel where it is held against hashes",
  pcr4: "programs that the firmware started",
  pcr7: "Secure Boot: its variables, and what let the image start",
  pcr9: "kernel command line and initrd",
  pcr11: "sections of the UKI, and boot phases",
  pcr12: "what the host adds: command lines, credentials",
  pcr13: "system extensions",
};
