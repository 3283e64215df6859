import { execFile } from "node:child_process";
import { CvmError } from "@cvm-build/bytes";

/**
 * Runs a program of the cloud, which knows the many places where credentials can be, and returns what it writes.
 * @param options.instead what the user can set where there is no such program
 * @throws CvmError `signer` where it is not there, or fails; with what it says of why
 */
export async function runForOutput(
  [program, ...args]: readonly [string, ...string[]],
  options: { environment: NodeJS.ProcessEnv; timeoutMs: number; instead: string },
): Promise<string> {
  const { environment: env, timeoutMs: timeout, instead } = options;
  return new Promise((settle, reject) => {
    execFile(program, args, { env, timeout, encoding: "utf8" }, (error, stdout, stderr) => {
      if (!error) return settle(stdout.trim());
      const said = stderr
        .trim()
        .replaceAll(/[\s\p{Cc}]+/gu, " ")
        .slice(-500);
      const got = error.code === "ENOENT" ? "no such program" : error.killed ? "no answer" : said || `${error.code}`;
      reject(
        new CvmError("signer", `cannot obtain credentials from "${program}": expected them, got ${got}`, {
          hint: `set ${instead}, or install ${program} and log in with it`,
        }),
      );
    });
  });
}
