import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { CvmError } from "@cvm-build/bytes";

/**
 * Asks a question on the terminal and shows nothing of what is typed.
 * @param question without its colon
 * @throws CvmError `interrupted` where whoever is asked rather ends it
 */
export async function askSecretly(question: string): Promise<string> {
  process.stderr.write(`${question}: `);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    return await terminal.question("");
  } catch (cause) {
    if ((cause as Error).name !== "AbortError") throw cause;
    throw new CvmError("interrupted", `cannot obtain the ${question}: expected an answer, got none`);
  } finally {
    terminal.close();
    process.stderr.write("\n");
  }
}
