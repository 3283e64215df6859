import { spawn } from "node:child_process";
import { join } from "node:path";

/** The repository that is tested. */
export const REPOSITORY = join(import.meta.dirname, "../..");

/** One store for the whole test run: what one test has fetched, the next need not. */
export const TEST_STORE = join(REPOSITORY, "build/test-store");

const MAIN = join(REPOSITORY, "packages/cli/src/main.mjs");

export interface CliResult {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  /** Working directory, the repository unless given. */
  cwd?: string;
  /** Variables on top of the test's own; undefined takes one away. */
  environment?: Record<string, string | undefined>;
  /** Octal digits; the command runs below a shell that sets it. */
  umask?: string;
  /** Run as this user; needs root. */
  userId?: number;
  /** The store, `TEST_STORE` unless given. */
  store?: string;
  /** Shell commands to run before, such as a `ulimit`. */
  prelude?: string;
  /** Sees the process, to kill it at the right moment. */
  onSpawn?: (kill: (signal: NodeJS.Signals) => void) => void;
}

/** Runs `cvm-build` as its users do, in a process of its own. */
export function cvmBuild(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const environment = { ...process.env, CI: undefined, NODE_COMPILE_CACHE: undefined, ...options.environment };
  const prelude = [options.prelude, options.umask && `umask ${options.umask}`].filter(Boolean).join("; ");
  const command = [process.execPath, MAIN, "--cache-dir", options.store ?? TEST_STORE, ...args];
  const child = spawn("/bin/sh", ["-c", `${prelude || ":"}; exec "$@"`, "sh", ...command], {
    cwd: options.cwd ?? REPOSITORY,
    env: environment as NodeJS.ProcessEnv,
    stdio: ["ignore", "pipe", "pipe"],
    ...(options.userId !== undefined && { uid: options.userId, gid: options.userId }),
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  options.onSpawn?.((signal) => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exitCode) => resolve({ exitCode, stdout, stderr }));
  });
}

/** Runs `cvm-build … --json` and parses what it prints. Fails with what it wrote where it does not end well. */
export async function cvmBuildJson<T>(args: readonly string[], options: CliOptions = {}): Promise<T> {
  const { exitCode, stdout, stderr } = await cvmBuild([...args, "--json"], options);
  if (exitCode !== 0) throw new Error(`cvm-build ${args.join(" ")} ended with ${exitCode}:\n${stderr}\n${stdout}`);
  return JSON.parse(stdout) as T;
}
