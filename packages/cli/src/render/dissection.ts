import type { Dissection, InspectedPartition, PartContents, Uses } from "@cvm-build/image";
import type { Painter } from "./painter.ts";
import { renderSize } from "./size.ts";
import { renderTable } from "./table.ts";
import { oneLine } from "./terminal-text.ts";

/** How systemd-dissect words a use, in its order. */
const USES = {
  useBootableUefi: "bootable system for UEFI",
  useBootableContainer: "bootable system for container",
  usePortableService: "portable service",
  useInitrd: "initrd",
  useSystemExtension: "sysext for system",
  usePortableSystemExtension: "sysext for portable service",
  useInitRDSystemExtension: "sysext for initrd",
  useConfigurationExtension: "confext for system",
  usePortableConfigurationExtension: "confext for portable service",
  useInitRDConfigurationExtension: "confext for initrd",
} as const satisfies Record<keyof Uses, string>;

/** Release files and the like, as systemd-dissect introduces them. */
const RELEASES = [
  ["machineInfo", "Mach. Info:"],
  ["osRelease", "OS Release:"],
  ["initrdRelease", "initrd R.:"],
  ["sysextRelease", " sysext R.:"],
  ["confextRelease", "confext R.:"],
] as const;

const MOUNT_HEADINGS = [
  "RW",
  "DESIGNATOR",
  "PARTITION UUID",
  "PARTITION LABEL",
  "FSTYPE",
  "ARCHITECTURE",
  "VERITY",
  "GROWFS",
  "PARTNO",
];

/** What is in an image that is no PE file: first what systemd-dissect prints, as it prints it, then what it does not know. */
export function renderDissection(report: Dissection, painter: Painter): string {
  const blocks = [
    head(report, painter),
    identity(report),
    uses(report, painter),
    mounts(report),
    partitions(report),
    programs(report, painter),
    ...[report.contents, ...(report.partitions ?? []).map(({ contents }) => contents)].flatMap((contents) =>
      contents ? [verity(contents, painter), signature(contents, painter)] : [],
    ),
    report.problems.map((problem) => `${painter("yellow", "problem")} ${oneLine(problem)}\n`).join(""),
  ];
  return blocks.filter((block) => block !== "").join("\n");
}

/** Whether there was something to verify, and all of it has been. */
export function isVerified(report: Dissection): boolean {
  const parts = [report.contents, ...(report.partitions ?? []).map(({ contents }) => contents)];
  const found = parts.flatMap((contents) => contents?.verity?.verification ?? []);
  return found.length > 0 && found.every((outcome) => outcome === "verified") && report.problems.length === 0;
}

function head(report: Dissection, painter: Painter): string {
  const { name, sizeBytes, layers, sectorSize, architecture, format, contents } = report;
  const lines = [
    ` File Name: ${painter("bold", name)}`,
    `      Size: ${formatBytes(sizeBytes)}`,
    ...(sectorSize === undefined ? [] : [` Sec. Size: ${sectorSize}`]),
    `     Arch.: ${architecture ?? "n/a"}`,
    `    Format: ${[...layers, format].join(" > ")}`,
    ...(contents ? factLines(contents) : []),
  ];
  return linesText(lines);
}

/** What a format says beside what systemd-dissect has a place for. */
function factLines({ label, uuid, facts, problem }: PartContents): string[] {
  const all = { ...(label !== undefined && label !== "" && { label }), ...(uuid !== undefined && { uuid }), ...facts };
  const shown = factsText(all);
  return [
    ...(shown.length === 0 ? [] : [`     Facts: ${shown.join(" ")}`]),
    ...(problem === undefined ? [] : [`   Problem: ${problem}`]),
  ];
}

function identity(report: Dissection): string {
  const { imageName, imageUuid, imageId, imageVersion, hostname, machineId } = report;
  const lines = [
    ...(imageName === undefined ? [] : [`Image Name: ${imageName}`]),
    ...(imageUuid === undefined ? [] : [`Image UUID: ${imageUuid}`]),
    ...(imageId === undefined ? [] : [`  Image ID: ${[imageId, imageVersion].filter(Boolean).join(" ")}`]),
    ...(hostname === undefined ? [] : [`  Hostname: ${hostname}`]),
    ...(machineId === undefined ? [] : [`Machine ID: ${machineId}`]),
    ...RELEASES.flatMap(([field, heading]) =>
      (report[field] ?? []).map((line, index) => `${index === 0 ? heading : " ".repeat(heading.length)} ${line}`),
    ),
  ];
  return linesText(lines);
}

/** Lines of which each may hold what an image says. */
function linesText(lines: readonly string[]): string {
  return lines.map((line) => `${oneLine(line)}\n`).join("");
}

function uses(report: Dissection, painter: Painter): string {
  if (report.useInitrd === undefined) return "";
  const lines = (Object.keys(USES) as (keyof Uses)[]).map((use) => {
    const mark = report[use] ? painter("green", "✓") : painter("red", "✗");
    return `${mark} ${USES[use]}\n`;
  });
  return `    Use As: ${lines.join(" ".repeat(12))}`;
}

function mounts({ mounts: rows }: Dissection): string {
  if (!rows) return "";
  return renderTable(
    MOUNT_HEADINGS.map((heading) => ({ heading, align: heading === "PARTNO" ? "right" : "left" })),
    rows.map((row) =>
      [
        row.rw,
        row.designator,
        row.partition_uuid,
        row.partition_label,
        row.fstype,
        row.architecture,
        row.verity,
        row.growfs ? "yes" : "no",
        row.partno,
      ].map((cell) => String(cell ?? "-")),
    ),
  );
}

function partitions({ partitions: rows }: Dissection): string {
  if (!rows) return "";
  return renderTable(
    [
      { heading: "PARTNO", align: "right" },
      { heading: "TYPE" },
      { heading: "OFFSET", align: "right" },
      { heading: "SIZE", align: "right" },
      { heading: "FLAGS" },
      { heading: "CONTENTS" },
    ],
    rows.map(({ partno, type, offsetBytes, sizeBytes, flags, contents }) => [
      String(partno),
      type,
      `0x${offsetBytes.toString(16)}`,
      renderSize(sizeBytes),
      flags.join(",") || "-",
      contentsCell(contents),
    ]),
  );
}

function programs({ programs: found = [] }: Dissection, painter: Painter): string {
  const lines = found.map(({ path, kind, name, commandLine, problem }) => {
    const first = [painter("bold", kind), path, name && `"${name}"`, problem].filter(Boolean).join(" ");
    return linesText([first, ...(commandLine === undefined ? [] : [`  ${commandLine.trimEnd()}`])]);
  });
  return lines.join("");
}

function contentsCell(contents: InspectedPartition["contents"]): string {
  const { format, label, facts, problem } = contents;
  const details = Object.entries(facts).map(
    ([name, value]) => `${name}=${Array.isArray(value) ? value.join(",") : value}`,
  );
  return [format, label ? `"${label}"` : "", ...details, problem ?? ""].filter(Boolean).join(" ");
}

function verity({ verity: facts }: PartContents, painter: Painter): string {
  if (!facts) return "";
  const { rootHash, verification, ...others } = facts;
  const details = Object.entries(others).map(([name, value]) => `${name}=${value || "-"}`);
  const isGood = verification === "verified";
  return linesText([
    `${painter("bold", "verity")} ${details.join(" ")}`,
    `  root hash ${rootHash ?? "that of the only data block"}`,
    ...(verification === undefined ? [] : [`  data ${painter(isGood ? "green" : "red", verification)}`]),
  ]);
}

function signature({ signature: facts }: PartContents, painter: Painter): string {
  if (!facts) return "";
  const { rootHash, certificateFingerprint, signer, problem } = facts;
  return linesText([
    `${painter("bold", "signature")} ${signer ?? "of nobody"}`,
    ...(rootHash === undefined ? [] : [`  of root hash ${rootHash}`]),
    ...(certificateFingerprint === undefined ? [] : [`  certificate ${certificateFingerprint}`]),
    ...(problem === undefined ? [] : [`  ${painter("red", problem)}`]),
  ]);
}

const UNITS = ["B", "K", "M", "G", "T", "P"];

/** A size as systemd shows it: one digit behind the point, cut off, left out where it is zero. */
function formatBytes(sizeBytes: number): string {
  let unit = 0;
  let factor = 1;
  while (sizeBytes >= factor * 1024 && unit < UNITS.length - 1) {
    factor *= 1024;
    unit++;
  }
  const tenths = unit === 0 ? 0 : Math.floor((sizeBytes * 10) / factor) % 10;
  return `${Math.floor(sizeBytes / factor)}${tenths > 0 ? `.${tenths}` : ""}${UNITS[unit]}`;
}

function factsText(facts: PartContents["facts"]): string[] {
  return Object.entries(facts)
    .map(([name, value]) => [name, Array.isArray(value) ? value.join(",") : String(value)] as const)
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}=${value}`);
}
