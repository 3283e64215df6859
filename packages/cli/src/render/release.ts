import { relative } from "node:path";
import type { ReleaseReport, ReleaseVerification } from "@cvm-build/image";
import type { Painter } from "./painter.ts";
import { renderSize } from "./size.ts";
import { renderTable } from "./table.ts";

/** What a release holds. */
export function renderRelease(report: ReleaseReport, painter: Painter): string {
  const { directory, image, files, licenses } = report;
  const { components, identified, withOwnTexts, textOnly, none } = licenses;
  const rows = [
    ["image", `${painter("bold", image.id)} ${image.version}`],
    ["output", shortPath(directory)],
    [
      "licences",
      `${components} packages and artefacts: ${identified} with SPDX's licences alone, ${withOwnTexts} with others too, ${textOnly} with a text for people, ${none} with none`,
    ],
  ];
  return [
    renderTable(
      [{ heading: "" }, { heading: "" }],
      rows.map(([name = "", value = ""]) => [painter("dim", name), value]),
    ),
    "\n",
    renderTable(
      [{ heading: "file" }, { heading: "size", align: "right" }],
      files.map(({ name, sizeBytes }) => [name, renderSize(sizeBytes)]),
    ),
    `\n${painter("green", "released")}, and verified as others will: cvm-build verify-release ${shortPath(directory)} --key PUBLIC_KEY\n`,
  ].join("");
}

/** What was looked at in a release, and what was found. */
export function renderVerification(verification: ReleaseVerification, painter: Painter): string {
  const { directory, image, checks, unchecked } = verification;
  const rows = checks.map((check) => [
    check.verified ? painter("green", "good") : painter("red", "bad"),
    check.subject,
    check.detail,
  ]);
  const verdict = image
    ? painter("green", `verified: ${image.id} ${image.version} is what the holder of the key released`)
    : painter("red", `not verified: do not use what is in ${shortPath(directory)}`);
  return [
    renderTable([{ heading: "" }, { heading: "" }, { heading: "" }], rows),
    ...unchecked.map((name) => `${painter("yellow", "not looked at:")} ${name}, for which no key was given\n`),
    `\n${verdict}\n`,
  ].join("");
}

function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short || ".";
}
