import type { ImageExport } from "@cvm-build/image";
import { registerTitle } from "./measurements.ts";
import type { Painter } from "./painter.ts";

/** What was exported: where the files are, or what is in them; what a verifier then compares, and what not. */
export function renderExport({ files, pinned, left }: ImageExport, painter: Painter): string {
  const isWritten = files.some(({ path }) => path !== undefined);
  if (!isWritten) return files.map((file) => content(file, { isAlone: files.length === 1, painter })).join("");
  return [
    ...files.map(({ path, format }) => `${painter("green", path ?? "")}  ${format}\n`),
    ...pinned.map(({ format, platform, registers }) => {
      return `${format} on ${platform} compares ${registers.map(registerTitle).join(", ")}\n`;
    }),
    ...left.map(({ format, platform, register, reason }) => {
      const what = register === undefined ? platform : `${registerTitle(register)} on ${platform}`;
      return `${painter("yellow", `${format} leaves out ${what}:`)} ${reason}\n`;
    }),
  ].join("");
}

function content(
  { fileName, bytes }: ImageExport["files"][number],
  { isAlone, painter }: { isAlone: boolean; painter: Painter },
): string {
  const text = isText(bytes) ? bytes.toString("utf8") : `${bytes.toString("base64")}\n`;
  return isAlone ? text : `${painter("bold", fileName)}\n${text}`;
}

function isText(bytes: Buffer): boolean {
  return bytes.equals(Buffer.from(bytes.toString("utf8")));
}
