import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * Reads `keep PID`, `drop PID` and `done` lines. Its input ends when cvm-build does, even by SIGKILL: then it ends what is
 * still kept, politely first (QEMU gives the terminal back), and removes the directory.
 */
const KEEPER_SCRIPT = `
pids=" "
while read -r verb pid; do
  case $verb in
    keep) pids="$pids$pid " ;;
    drop) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
    done) exit 0 ;;
  esac
done
for pid in $pids; do kill -TERM "$pid" 2>/dev/null; done
[ "$pids" = " " ] || sleep 1
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
rm -rf -- "$1"
`;

/** How long a process may take to end after SIGTERM before SIGKILL follows. */
const GRACE_MS = 2000;
const DIAGNOSTICS_CHARACTERS = 16_384;

/** How a process ended. */
export interface ProcessExit {
  /** Exit status, or undefined where a signal ended it. */
  status: number | undefined;
  signal: NodeJS.Signals | undefined;
}

/** A child process that does not outlive its scratch. */
export interface KeptProcess {
  child: ChildProcess;
  /** Settles once; never rejects. A program that could not be started has status 127. */
  exited: Promise<ProcessExit>;
  /** How it ended, once it has. */
  exit(): ProcessExit | undefined;
  /** The last of what it wrote to stderr, where that is piped. */
  diagnostics(): string;
}

/** A temporary directory and processes, all gone when disposed of and whenever cvm-build ends, in whatever way. */
export class Scratch implements AsyncDisposable {
  readonly directory: string;
  readonly #keeper: ChildProcess;
  readonly #processes: KeptProcess[] = [];

  private constructor(directory: string, keeper: ChildProcess) {
    this.directory = directory;
    this.#keeper = keeper;
  }

  /** Makes a directory below `parentDirectory`. */
  static async create(parentDirectory: string): Promise<Scratch> {
    const directory = await mkdtemp(join(parentDirectory, "cvm-vm-"));
    // A session of its own, so that Ctrl-C in the terminal does not end it together with cvm-build.
    const keeper = spawn("/bin/sh", ["-c", KEEPER_SCRIPT, "keeper", directory], {
      cwd: "/",
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    keeper.on("error", ignore);
    keeper.stdin?.on("error", ignore);
    keeper.unref();
    return new Scratch(directory, keeper);
  }

  /**
   * Starts a program in the scratch directory. Where stderr is a pipe its end is kept as diagnostics.
   * @param options.session `own` keeps the terminal's Ctrl-C from it, `shared` lets it use the terminal
   */
  start(
    program: string,
    { args, stdio, session }: { args: readonly string[]; stdio: StdioOptions; session: "own" | "shared" },
  ): KeptProcess {
    const child = spawn(program, args, { cwd: this.directory, stdio, detached: session === "own" });
    this.#tell("keep", child.pid);
    let exit: ProcessExit | undefined;
    let diagnostics = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      diagnostics = (diagnostics + text).slice(-DIAGNOSTICS_CHARACTERS);
    });
    const { promise, resolve } = Promise.withResolvers<ProcessExit>();
    const end = (value: ProcessExit) => {
      exit ??= value;
      this.#tell("drop", child.pid);
      resolve(exit);
    };
    child.on("error", (error) => {
      diagnostics += error.message;
      if (child.pid === undefined) end({ status: 127, signal: undefined });
    });
    // `close` comes after the last of stderr was read, but waits for whoever inherited the pipe: `exit` is the fallback.
    child.on("close", (status, signal) => end({ status: status ?? undefined, signal: signal ?? undefined }));
    child.on("exit", (status, signal) => {
      setTimeout(() => end({ status: status ?? undefined, signal: signal ?? undefined }), 200).unref();
    });
    const kept: KeptProcess = { child, exited: promise, exit: () => exit, diagnostics: () => diagnostics };
    this.#processes.push(kept);
    return kept;
  }

  /** Ends every process and removes the directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map(endProcess));
    await rm(this.directory, { recursive: true, force: true });
    this.#keeper.stdin?.end("done\n");
  }

  #tell(verb: "keep" | "drop", pid: number | undefined): void {
    if (pid !== undefined && this.#keeper.stdin?.writable) this.#keeper.stdin.write(`${verb} ${pid}\n`);
  }
}

async function endProcess({ child, exit, exited }: KeptProcess): Promise<void> {
  if (exit() !== undefined) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  await exited;
  clearTimeout(timer);
}

/** The keeper is a net under the tightrope: a machine without /bin/sh still boots images. */
function ignore(): void {}
