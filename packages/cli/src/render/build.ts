import { relative } from "node:path";
import type { BuildReport } from "@cvm-build/image";
import { renderLintBriefly } from "./lint.ts";
import { renderPlatform } from "./measurements.ts";
import type { Painter } from "./painter.ts";
import { renderSize } from "./size.ts";
import { renderTable } from "./table.ts";

/** How many lines of unhandled scripts a person wants to see at once; the manifest has them all. */
const SCRIPT_LINES_SHOWN = 12;

/** The same of paths that a format has no place for. */
const PATHS_SHOWN = 5;

/** What a build left, ending in the registers. */
export function renderBuild(report: BuildReport, painter: Painter): string {
  const { manifest, measurements, lint, launch, directory } = report;
  return [
    renderFacts(report, painter),
    renderScripts(report, painter),
    renderLosses(report, painter),
    renderLeftOut(report, painter),
    ...(lint ? [renderLintBriefly(lint, painter)] : []),
    ...manifest.image.notices.map((notice) => `${painter("yellow", "notice:")} ${notice}\n`),
    ...(launch ? [renderLaunches(launch, { directory, painter })] : []),
    "\n",
    ...measurements.platforms.map((platform) => renderPlatform(platform, painter)),
  ].join("");
}

function renderFacts({ directory, upToDate, lock, manifest }: BuildReport, painter: Painter): string {
  const { image, packages, artifacts, services, tree, outputs } = manifest;
  const file = outputs.find(({ name }) => name === image.file);
  const inImage = packages.filter(({ role }) => role === "image");
  const withFiles = inImage.filter(({ installed }) => installed.files > 0);
  const rows = [
    [
      "image",
      `${painter("bold", image.id)} ${image.version}${upToDate ? painter("dim", "  (nothing had changed)") : ""}`,
    ],
    ["output", `${shortPath(directory)}/${file?.name ?? ""}  ${renderSize(file?.sizeBytes ?? 0)}`],
    ["sha256", file?.sha256 ?? ""],
    ["kernel", kernelText(manifest)],
    ["packages", `${inImage.length} resolved, ${withFiles.length} with files in the image; ${lockText(lock)}`],
    ["artefacts", artifacts.map(({ name, from }) => `${name} (${from})`).join(", ") || "none"],
    ["services", services.map(({ name, description }) => `${name} (${description})`).join(", ") || "none"],
    ["tree", `${tree.entries} entries, ${renderSize(tree.sizeBytes)}, ${tree.setuid.length} set-id`],
  ];
  return renderTable(
    [{ heading: "" }, { heading: "" }],
    rows.map(([name = "", value = ""]) => [painter("dim", name), value]),
  );
}

function renderScripts({ manifest }: BuildReport, painter: Painter): string {
  const { byClass, notHandled } = manifest.scripts;
  const total = Object.values(byClass).reduce((sum, count) => sum + count, 0);
  const facts = `${total} maintainer scripts not run: ${byClass.handled} replaced by finishers, ${byClass.harmless + byClass["none-needed"]} of no effect here, ${byClass["not-handled"]} with lines that nothing replaces\n`;
  const shown = notHandled.slice(0, SCRIPT_LINES_SHOWN).map(({ package: name, script, line, text }) => {
    return `  ${painter("yellow", `${name} ${script}:${line}`)} ${text.trim()}\n`;
  });
  const left = notHandled.length - shown.length;
  return `${painter("dim", "scripts")}    ${facts}${shown.join("")}${left > 0 ? `  … ${left} more in manifest.json\n` : ""}`;
}

function renderLosses({ manifest }: BuildReport, painter: Painter): string {
  return manifest.losses
    .map(
      ({ path, xattr }) => `${painter("yellow", "lost:")} ${xattr} of ${path}: a cpio carries no extended attributes\n`,
    )
    .join("");
}

/** Each way to start the image: its script, and what that runs. */
function renderLaunches(
  launches: NonNullable<BuildReport["launch"]>,
  { directory, painter }: { directory: string; painter: Painter },
): string {
  return launches
    .map(({ file, title, needs, command }) => {
      return `\n${painter("bold", `sh ${shortPath(directory)}/${file}`)}  ${title}; needs ${needs}\n  ${command}\n`;
    })
    .join("");
}

function kernelText({ kernel, stub }: BuildReport["manifest"]): string {
  const release = kernel?.release ?? "none";
  return stub ? `${release}, stub ${stub.version} from ${stub.package} ${stub.packageVersion}` : release;
}

function renderLeftOut({ manifest }: BuildReport, painter: Painter): string {
  const { image, leftOut = [] } = manifest;
  if (leftOut.length === 0) return "";
  const shown = leftOut.slice(0, PATHS_SHOWN).join(" ");
  const more = leftOut.length > PATHS_SHOWN ? " … all in manifest.json" : "";
  return `${painter("yellow", "left out:")} ${leftOut.length} paths of packages that a ${image.format} has no place for: ${shown}${more}\n`;
}

function lockText(lock: BuildReport["lock"]): string {
  return lock.kind === "resolved" ? "resolved just now" : `locked by ${shortPath(lock.path)}`;
}

function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short || ".";
}
