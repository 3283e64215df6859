import { copyFile, mkdir, stat, symlink } from "node:fs/promises";
import type { Duplex } from "node:stream";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { VmError } from "./errors.ts";
import { GuestMemory } from "./guest-memory.ts";
import { type BootSource, CHANNEL_DESCRIPTORS, FILES, type Machine, qemuArguments } from "./machine.ts";
import { connectQmp, type Qmp, type QmpEvent } from "./qmp.ts";
import { connectQtest, type PhysicalMemory } from "./qtest.ts";
import { type KeptProcess, Scratch } from "./scratch.ts";
import { SerialLog } from "./serial-log.ts";
import type { VmTools } from "./tools.ts";

/** What a FAT16 disk of QEMU's holds. */
const MAX_ESP_BYTES = 500_000_000;

/** QEMU greets before the guest executes anything. */
const MAX_START_MS = 30_000;

/** QEMU's standard input and output, which its serial port uses: pipes, or descriptors of ours. */
const QEMU_STREAMS = {
  terminal: [0, 1],
  "terminal-on-stderr": [0, 2],
  piped: ["pipe", "pipe"],
} as const satisfies Record<Machine["serial"], readonly [number | "pipe", number | "pipe"]>;

/** A file on the EFI system partition: where the firmware sees it, and the host's file that it is. */
export interface EspFile {
  /** Path with forward slashes, such as `EFI/BOOT/BOOTX64.EFI`. */
  espPath: string;
  hostPath: string;
}

/** What a start needs beside the machine. */
export interface StartOptions {
  tools: VmTools;
  machine: Machine;
  esp: readonly EspFile[];
  /** Where the scratch directory is made. */
  temporaryDirectory: string;
  /** Where the TPM keeps its state, absolute; in the scratch directory unless given. */
  tpmStateDirectory?: string;
}

/** How a guest ended its own run, in QEMU's words: `guest-shutdown`, `guest-reset`, `guest-panic`. */
export type GuestExit = string;

/** A running QEMU with its TPM. Disposing of it ends both and removes every file of the run. */
export class VirtualMachine implements AsyncDisposable {
  readonly qmp: Qmp;
  /** The guest's physical addresses, devices included. */
  readonly physical: PhysicalMemory;
  readonly memory: GuestMemory;
  readonly qemu: KeptProcess;
  /** Where serial is `piped`. */
  readonly serial: SerialLog | undefined;
  readonly #scratch: Scratch;
  readonly #guestExit: { value: GuestExit | undefined };

  private constructor(parts: {
    scratch: Scratch;
    qemu: KeptProcess;
    qmp: Qmp;
    serial: SerialLog | undefined;
    guestExit: { value: GuestExit | undefined };
  }) {
    this.#scratch = parts.scratch;
    this.#guestExit = parts.guestExit;
    this.qemu = parts.qemu;
    this.qmp = parts.qmp;
    this.serial = parts.serial;
    this.physical = connectQtest(channel(parts.qemu, CHANNEL_DESCRIPTORS.qtest));
    this.memory = new GuestMemory(parts.qmp, { directory: parts.scratch.directory });
  }

  /**
   * Starts a TPM and a machine.
   * @throws VmError `image` where a file cannot be put on the ESP, `boot-failed` where QEMU or swtpm does not start
   */
  static async start(options: StartOptions): Promise<VirtualMachine> {
    await checkEsp(options.esp);
    for (const path of filesOf(options.machine.bootsFrom)) await sizeOf(path);
    const scratch = await Scratch.create(options.temporaryDirectory);
    try {
      await layOut(scratch.directory, options);
      return await VirtualMachine.#launch(scratch, options);
    } catch (error) {
      await scratch[Symbol.asyncDispose]();
      throw error;
    }
  }

  static async #launch(scratch: Scratch, options: StartOptions): Promise<VirtualMachine> {
    const { tools, machine, tpmStateDirectory = FILES.tpmDirectory } = options;
    const swtpm = scratch.start(tools.swtpm, {
      args: ["socket", "--tpm2", "--tpmstate", `dir=${tpmStateDirectory}`, "--ctrl", "type=unixio,clientfd=3"],
      stdio: ["ignore", "ignore", "pipe", "pipe"],
      session: "own",
    });
    // The same socket pair leads from QEMU straight to swtpm: QEMU sends a file descriptor over it, which Node could not pass on.
    const tpmSocket = channel(swtpm, 3);
    const [input, output] = QEMU_STREAMS[machine.serial];
    const qemu = scratch.start(tools.qemu, {
      args: qemuArguments(machine),
      stdio: [input, output, "pipe", "pipe", "pipe", tpmSocket],
      session: machine.serial === "piped" ? "own" : "shared",
    });
    tpmSocket.destroy();
    const serial = qemu.child.stdout ? new SerialLog(qemu.child.stdout, () => performance.now()) : undefined;
    qemu.child.stdin?.on("error", () => {});
    const guestExit: { value: GuestExit | undefined } = { value: undefined };
    const onEvent = ({ event, data }: QmpEvent) => {
      if (event === "SHUTDOWN" && data.guest === true) guestExit.value ??= String(data.reason);
    };
    try {
      const qmp = await withinStartTime(connectQmp(channel(qemu, CHANNEL_DESCRIPTORS.qmp), onEvent));
      return new VirtualMachine({ scratch, qemu, qmp, serial, guestExit });
    } catch (cause) {
      throw await startError({ qemu, swtpm, cause });
    }
  }

  /** How the guest ended its run by itself, where it did. */
  get guestExit(): GuestExit | undefined {
    return this.#guestExit.value;
  }

  /** QEMU's own name of the machine's state: `running`, `paused`, `internal-error`…, or `ended` once QEMU is gone. */
  async state(): Promise<string> {
    try {
      const { status } = (await this.qmp.execute("query-status")) as { status?: unknown };
      return String(status);
    } catch (error) {
      if (error instanceof VmError) return "ended";
      throw error;
    }
  }

  /** Stops the guest's processors. */
  async pause(): Promise<void> {
    await this.qmp.execute("stop");
  }

  /** Lets the guest's processors go on. */
  async resume(): Promise<void> {
    await this.qmp.execute("cont");
  }

  /** Types text on the serial port, where it is `piped`. */
  type(text: string): void {
    this.qemu.child.stdin?.write(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scratch[Symbol.asyncDispose]();
  }
}

async function withinStartTime<T>(work: Promise<T>): Promise<T> {
  const stop = new AbortController();
  const late = sleep(MAX_START_MS, undefined, { signal: stop.signal }).then(() => {
    throw new VmError("boot-failed", `cannot start QEMU: expected a greeting within ${MAX_START_MS} ms, got none`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    stop.abort();
  }
}

/** Why QEMU did not answer: what it and swtpm said, once QEMU has ended. */
async function startError(parts: { qemu: KeptProcess; swtpm: KeptProcess; cause: unknown }): Promise<VmError> {
  const { qemu, swtpm, cause } = parts;
  await Promise.race([qemu.exited, sleep(1000, undefined, { ref: false })]);
  const said = `${swtpm.diagnostics()}\n${qemu.diagnostics()}`.trim() || `exit status ${qemu.exit()?.status}`;
  return new VmError("boot-failed", `cannot start QEMU: expected a machine, got "${said}"`, {
    ...(said.includes("host forwarding") && { hint: "another program listens on that port: forward a different one" }),
    cause,
  });
}

function channel(process: KeptProcess, descriptor: number): Duplex {
  const stream = process.child.stdio[descriptor] as Duplex;
  stream.on("error", () => {});
  return stream;
}

async function checkEsp(files: readonly EspFile[]): Promise<void> {
  let sizeBytes = 0;
  for (const { espPath, hostPath } of files) {
    if (espPath.split("/").some((part) => part === "" || part === "." || part === "..")) {
      throw new VmError(
        "image",
        `cannot put a file on the ESP at "${espPath}": expected a relative path of names, got none`,
      );
    }
    sizeBytes += await sizeOf(hostPath);
  }
  if (sizeBytes > MAX_ESP_BYTES) {
    const path = files[0]?.hostPath ?? "";
    throw new VmError(
      "image",
      `cannot boot "${path}": expected at most ${MAX_ESP_BYTES} bytes for QEMU's FAT disk, got ${sizeBytes}`,
    );
  }
}

/** The host's files that QEMU itself opens. */
function filesOf(source: BootSource): string[] {
  if (source.kind === "disk") return [source.path];
  if (source.kind !== "kernel") return [];
  return source.initrdPath === undefined ? [source.path] : [source.path, source.initrdPath];
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (cause) {
    throw new VmError("image", `cannot boot "${path}": expected a file that can be read, got none`, { cause });
  }
}

async function layOut(directory: string, { tools, esp }: StartOptions): Promise<void> {
  await mkdir(join(directory, FILES.tpmDirectory), { mode: 0o700 });
  await mkdir(join(directory, FILES.espDirectory));
  const { varsPath } = tools.firmware;
  if (varsPath !== undefined) await copyFile(varsPath, join(directory, FILES.vars));
  for (const { espPath, hostPath } of esp) {
    const path = join(directory, FILES.espDirectory, espPath);
    await mkdir(dirname(path), { recursive: true });
    // QEMU follows the link: an image of 100 MB is not copied for a boot.
    await symlink(resolve(hostPath), path);
  }
}
