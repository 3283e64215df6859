import type { Summary } from "@cvm-build/image";
import type { Painter } from "./painter.ts";
import { renderTable } from "./table.ts";

type Setting = Summary["settings"][number];

/** Every setting that is not its default, with the places that it came from; then what is not supported. */
export function renderSummary({ settings, unsupported, profile }: Summary, painter: Painter): string {
  const set = settings.filter(({ isDefault }) => !isDefault);
  const rows = set.flatMap((setting) => rowsOf(setting, painter));
  const refused = unsupported.map(({ position, name, useInstead }) => [
    painter("yellow", name),
    placeOf(position),
    useInstead,
  ]);
  const declared = [
    ...profile.services.map(({ name, description, position }) => [
      `service ${name}`,
      description,
      painter("dim", placeOf(position)),
    ]),
    ...profile.artifacts.map(({ name, source, position }) => [
      `artefact ${name}`,
      source.kind,
      painter("dim", placeOf(position)),
    ]),
  ];
  const columns = [{ heading: "" }, { heading: "" }, { heading: "" }];
  return [
    renderTable([{ heading: "setting" }, { heading: "value" }, { heading: "from" }], rows),
    declared.length > 0 ? `\n${renderTable(columns, declared)}` : "",
    refused.length > 0 ? `\nnot supported by cvm-build:\n${renderTable(columns, refused)}` : "",
  ].join("");
}

function rowsOf({ section, name, value, sources }: Setting, painter: Painter): string[][] {
  const values = Array.isArray(value) ? value : [value ?? ""];
  const from = placesOf(sources).join(", ");
  return (values.length > 0 ? values : [""]).map((item, index) =>
    index === 0 ? [`${section}.${name}`, item, painter("dim", from)] : ["", item, ""],
  );
}

/** One place a run of lines: `cvm.conf:22-30`. */
function placesOf(sources: Setting["sources"]): string[] {
  const runs: { file: string; first?: number; last?: number }[] = [];
  for (const { file, line } of sources) {
    const run = runs.at(-1);
    if (run?.file === file && line !== undefined && run.last !== undefined && line >= run.last && line <= run.last + 1)
      run.last = line;
    else runs.push({ file, ...(line !== undefined && { first: line, last: line }) });
  }
  return runs.map(({ file, first, last }) =>
    first === last ? placeOf({ file, ...(first !== undefined && { line: first }) }) : `${file}:${first}-${last}`,
  );
}

function placeOf({ file, line }: Setting["sources"][number]): string {
  return line === undefined ? file : `${file}:${line}`;
}
