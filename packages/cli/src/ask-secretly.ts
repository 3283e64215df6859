import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";

/**
 * Asks a question on the terminal and shows nothing of what is typed.
 * @param question without its colon
 */
export async function askSecretly(question: string): Promise<string> {
  process.stderr.write(`${question}: `);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    return await terminal.question("");
  } finally {
    terminal.close();
    process.stderr.write("\n");
  }
}
