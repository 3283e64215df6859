import { setTimeout as sleep } from "node:timers/promises";
import type { CvmErrorOptions, HashAlgorithm } from "@cvm-build/bytes";
import { VmError } from "./errors.ts";
import { CrbTransport, isCrbIdle } from "./tpm/crb.ts";
import { glanceAtPcr, type PcrGlance } from "./tpm/pcrs.ts";
import type { VirtualMachine } from "./virtual-machine.ts";

/** What a boot is waited for. */
export type EndCondition =
  /** The guest has written this to its serial port. */
  | { kind: "serial-contains"; text: string }
  /**
   * Registers have these values, as lower-case hex by index, and none was extended for `forSec`: how a boot without a
   * console is known to have come to its end.
   */
  | { kind: "registers-equal"; bank: HashAlgorithm; values: Readonly<Record<number, string>>; forSec: number }
  /** Neither the serial port nor any register has changed for so long. */
  | { kind: "quiet"; quietSec: number }
  /** The guest has switched itself off; its registers stay. */
  | { kind: "power-off" };

const POLL_MS = 100;
/** Glancing at a register pauses the guest for some milliseconds. */
const GLANCE_MS = 1000;
/** What is written to the serial port by who gives up, and what that means. */
const GIVE_UPS = {
  "Kernel panic - not syncing": "a kernel panic",
  "UEFI Interactive Shell": "the firmware's shell, since nothing else would boot",
  "BdsDxe: No bootable option": "a firmware that found nothing to boot",
} as const;
const TAIL_LINES = 15;

/**
 * Waits for the first condition that holds.
 * @throws VmError `boot-failed` where the guest panics, resets or ends first, `boot-timeout`; the signal's reason
 */
export async function waitForEnd(
  vm: VirtualMachine,
  options: { until: readonly EndCondition[]; timeoutSec: number; signal?: AbortSignal },
): Promise<EndCondition> {
  const { until, timeoutSec, signal } = options;
  const registers = new RegisterWatch(vm, until);
  const deadlineMs = performance.now() + timeoutSec * 1000;
  while (performance.now() < deadlineMs) {
    await registers.update();
    const met = until.find((condition) => holds(condition, { vm, registers }));
    if (met !== undefined) return met;
    await failEarly(vm);
    await sleep(POLL_MS, undefined, signal ? { signal } : {}).catch((error: unknown) => {
      throw signal?.aborted ? signal.reason : error;
    });
  }
  throw new VmError(
    "boot-timeout",
    `cannot see the end of the boot: expected ${until.map(describe).join(" or ")} within ${timeoutSec} s, got "${lastLine(vm)}"`,
    guestsLastLines(vm),
  );
}

function holds(condition: EndCondition, { vm, registers }: { vm: VirtualMachine; registers: RegisterWatch }): boolean {
  switch (condition.kind) {
    case "serial-contains":
      return vm.serial?.text.includes(condition.text) ?? false;
    case "registers-equal":
      return registers.unchangedMs >= condition.forSec * 1000 && registers.have(condition);
    case "quiet":
      return Math.min(vm.serial?.silentMs ?? Infinity, registers.unchangedMs) >= condition.quietSec * 1000;
    case "power-off":
      return vm.guestExit === "guest-shutdown";
  }
}

async function failEarly(vm: VirtualMachine): Promise<void> {
  const reason = await whyItEnded(vm);
  if (reason === undefined) return;
  throw new VmError("boot-failed", `cannot boot the image: expected it to run on, got ${reason}`, guestsLastLines(vm));
}

async function whyItEnded(vm: VirtualMachine): Promise<string | undefined> {
  if (vm.guestExit !== undefined) return `"${vm.guestExit}"`;
  for (const [words, meaning] of Object.entries(GIVE_UPS)) {
    const line = vm.serial?.lineWith(words);
    if (line !== undefined) return `${meaning}: "${line.trim()}"`;
  }
  const state = await vm.state();
  if (state === "internal-error") return `an error of the accelerator: ${vm.qemu.diagnostics().trim().split("\n")[0]}`;
  if (state !== "ended") return undefined;
  const { signal, status } = await vm.qemu.exited;
  return `the end of QEMU (${signal ?? `exit status ${status}`}) ${vm.qemu.diagnostics().trim()}`.trim();
}

function guestsLastLines(vm: VirtualMachine): CvmErrorOptions {
  const serialTail = vm.serial?.tail(TAIL_LINES) ?? "";
  return {
    hint: serialTail === "" ? "the guest wrote nothing" : `the guest's last lines:\n${serialTail}`,
    details: { serialTail },
  };
}

/** The registers that conditions ask for, looked at once a second at moments when the guest does not use the TPM. */
class RegisterWatch {
  readonly #vm: VirtualMachine;
  readonly #tpm: CrbTransport;
  readonly #wanted: readonly { bank: HashAlgorithm; index: number }[];
  readonly #glances = new Map<string, PcrGlance>();
  #updateCounter: number | undefined;
  #changedMs = performance.now();
  #lookedMs = -Infinity;

  constructor(vm: VirtualMachine, until: readonly EndCondition[]) {
    this.#vm = vm;
    this.#tpm = new CrbTransport(vm.physical);
    const named = until.flatMap((condition) =>
      condition.kind === "registers-equal"
        ? Object.keys(condition.values).map((index) => ({ bank: condition.bank, index: Number(index) }))
        : [],
    );
    const any = until.some(({ kind }) => kind === "quiet") ? [{ bank: "sha256" as const, index: 0 }] : [];
    this.#wanted = [...new Map([...named, ...any].map((register) => [keyOf(register), register])).values()];
  }

  /** Milliseconds since any register was extended. */
  get unchangedMs(): number {
    return performance.now() - this.#changedMs;
  }

  /** Whether all these registers had these values when they were last looked at. */
  have({ bank, values }: { bank: HashAlgorithm; values: Readonly<Record<number, string>> }): boolean {
    return Object.entries(values).every(
      ([index, value]) => this.#glances.get(keyOf({ bank, index: Number(index) }))?.value === value,
    );
  }

  async update(): Promise<void> {
    const isDue = performance.now() - this.#lookedMs >= GLANCE_MS;
    if (!isDue || this.#wanted.length === 0 || this.#vm.guestExit !== undefined) return;
    if ((await this.#vm.state()) !== "running") return;
    await this.#vm.pause();
    try {
      if (await isCrbIdle(this.#vm.physical)) await this.#look();
    } finally {
      if (this.#vm.guestExit === undefined) await this.#vm.resume();
    }
  }

  async #look(): Promise<void> {
    this.#lookedMs = performance.now();
    for (const register of this.#wanted) {
      const glance = await glanceAtPcr(this.#tpm, register);
      if (glance === undefined) continue;
      this.#glances.set(keyOf(register), glance);
      if (glance.updateCounter !== this.#updateCounter) this.#changedMs = performance.now();
      this.#updateCounter = glance.updateCounter;
    }
  }
}

function keyOf({ bank, index }: { bank: HashAlgorithm; index: number }): string {
  return `${bank}:${index}`;
}

function describe(condition: EndCondition): string {
  switch (condition.kind) {
    case "serial-contains":
      return `"${condition.text}" on the serial port`;
    case "registers-equal":
      return `the expected values of PCR ${Object.keys(condition.values).join(", ")} (${condition.bank})`;
    case "quiet":
      return `${condition.quietSec} s of quiet`;
    case "power-off":
      return "a power-off";
  }
}

function lastLine(vm: VirtualMachine): string {
  return vm.serial?.tail(1) || "nothing on the serial port";
}
