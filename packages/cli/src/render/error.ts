import { CvmError } from "@cvm-build/bytes";
import type { Painter } from "./painter.ts";

/** An error for people: what could not be done, why, and the next thing to try. */
export function renderError(error: unknown, painter: Painter): string {
  if (!(error instanceof CvmError)) return renderBug(error, painter);
  const causes = causesOf(error).map((cause) => `  ${painter("dim", "because")} ${cause.message}\n`);
  const hint =
    error.hint === undefined ? "" : `${painter("cyan", "hint:")} ${error.hint.replaceAll("\n", "\n      ")}\n`;
  return `${painter("red", "error:")} ${error.message}\n${causes.join("")}${hint}`;
}

/** An error for machines. */
export function errorDocument(error: unknown, exitCode: number): unknown {
  if (!(error instanceof CvmError)) {
    const message = error instanceof Error ? error.message : String(error);
    return { error: { code: "internal", message, exitCode } };
  }
  const { code, message, hint, details } = error;
  return { error: { code, message, hint, details, causes: causesOf(error).map((cause) => cause.message), exitCode } };
}

/** The causes below an error that say more than what stands above them, at most eight. */
function causesOf(error: Error): Error[] {
  const causes: Error[] = [];
  let said = error.message;
  for (let cause = error.cause; cause instanceof Error && causes.length < 8; cause = cause.cause) {
    if (!said.includes(cause.message)) causes.push(cause);
    said += `\n${cause.message}`;
  }
  return causes;
}

function renderBug(error: unknown, painter: Painter): string {
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `${painter("red", "internal error:")} this is a bug of cvm-build; please report it with the lines below\n${trace}\n`;
}
